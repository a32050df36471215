"""What a page of the server may load: files of this server alone, and the scripts that are written in the page."""

from __future__ import annotations

import base64
import hashlib
import re

_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)


def policy_of(page: bytes) -> str:
    """The content security policy of a page, with a hash of each of its own scripts; icons may be in style sheets."""
    scripts = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _SCRIPT.findall(page))
    allowed = " ".join(f"'sha256-{script}'" for script in dict.fromkeys(scripts))
    return (
        f"default-src 'none'; script-src 'self' {allowed}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
