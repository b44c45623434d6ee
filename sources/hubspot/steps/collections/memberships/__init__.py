"""Members of lists, a package of its own: HubSpot reports no removals, so they are worked out.

A list that fits into a page is compared with each reading. Of a longer one the newest members are
read, by the time at which they joined; where what the warehouse then would have is not HubSpot's
total, and once a day anyway, all members are read and compared.
"""
