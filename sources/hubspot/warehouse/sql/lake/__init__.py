"""Delta and Iceberg tables in files: read by DuckDB in memory, changed by their own libraries.

formats      one table in files: added to, replaced in part, cleared
dlt_files    dlt's own tables, which are files with one row each
merging      what a load brings takes the place of older rows
reading      DuckDB in memory with a view on each table
client       dlt's client of file storage, which makes tables and merges into them
tables       what `Tables` promises, by these
destination  dlt's destination for such tables
"""
