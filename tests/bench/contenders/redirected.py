"""Run a Python program against another address: set the constant that holds HubSpot's, go on.

    python redirected.py MODULE CONSTANT ENTRY [ARGUMENT ...]

`CONSTANT` of `MODULE` becomes `$HUBSPOT_URL` with the end of its old value (a slash or none), and
`ENTRY`, as `module:function`, is called with the arguments that are left.
"""

import importlib
import os
import sys

name, constant, entry, *arguments = sys.argv[1:]
module = importlib.import_module(name)
slash = "/" if getattr(module, constant).endswith("/") else ""
setattr(module, constant, os.environ["HUBSPOT_URL"] + slash)
sys.argv = [entry, *arguments]
place, _, function = entry.partition(":")
sys.exit(getattr(importlib.import_module(place), function)())
