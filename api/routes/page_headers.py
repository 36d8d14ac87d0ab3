"""What the pages of the service may do in a browser.

A page shows what others wrote: names of files, texts of problems. If some of that became a script
all the same, these rules are what stops it: nothing runs that is no file of this service, and
nothing is loaded from anywhere else or sent there.
"""

_POLICY = {
    "default-src": "'none'",  # what is not named below: frames, fonts, workers, plug-ins
    "script-src": "'self'",  # files of /static: none within the page, none made from text
    "style-src": "'self'",  # the same; a script may still set properties of an element
    "img-src": "'self' data:",  # data: is the letters of the viewer, the signs of Swagger UI
    "connect-src": "'self'",  # the API: requests, uploads, events, volumes
    "base-uri": "'none'",  # no <base> leads the page's own addresses elsewhere
    "form-action": "'none'",  # scripts send what is sent: a form that got in sends nothing
    "frame-ancestors": "'none'",  # no page of another shows this one below buttons of its own
}

PAGE_POLICY = "; ".join(f"{name} {sources}" for name, sources in _POLICY.items())
"""The policy of ``/`` and ``/docs``."""

PAGE_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",  # who opens it in a window holds no handle of it
    "Cache-Control": "no-cache",  # after an upgrade it is the page of the new version
}
"""The headers of both."""
