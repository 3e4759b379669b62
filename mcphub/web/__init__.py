"""What the pages of all apps share: who looks, what surrounds a page, headers, charts, numbers in words.

    gates       middleware: content security policy, compression
    doors       decorators of views: signed in, admins only, refusals as pages
    answers     whole pages, fragments for htmx, redirects, notices
    navigation  the entries of the side bar and what the palette knows of pages
    charts      lines and bars as SVG, drawn here
    columns     columns over time, as SVG
    pages       which page of a long list
    backoffice  what the admin's classes share
    words       numbers, durations and sizes as people read them

See docs/dashboard.md. Above: the apps' views, `mcphub.templatetags`. Below: `mcphub.api.callers`, Django.
"""
