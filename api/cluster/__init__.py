"""Workers of a Dask cluster, instead of processes of this machine."""
