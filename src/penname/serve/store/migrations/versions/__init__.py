"""The revisions. One that was released is never changed: the next one changes what it made."""
