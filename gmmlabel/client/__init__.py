"""A client of the HTTP service, which needs neither the kernels nor a reader of images.

>>> from gmmlabel.client import Client
>>> with Client() as client:                              # doctest: +SKIP
...     labelled = client.label("ct.nrrd", "labels.nrrd")
>>> labelled.involvement_percent                          # doctest: +SKIP
"""

from gmmlabel.client.async_client import AsyncClient
from gmmlabel.client.client import Client
from gmmlabel.client.errors import (
    ClientError,
    ConnectionFailedError,
    ServiceError,
    StillRunningError,
)
from gmmlabel.client.values import File, Job, Labelled, Model

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "ConnectionFailedError",
    "File",
    "Job",
    "Labelled",
    "Model",
    "ServiceError",
    "StillRunningError",
]
