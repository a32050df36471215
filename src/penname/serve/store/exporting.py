"""All that is kept of a user, for the user."""

from __future__ import annotations

from typing import Any

from penname.serve.store.documents import read_documents
from penname.serve.store.feedback import read_feedback
from penname.serve.store.part import checked_user
from penname.serve.store.reasonings import read_reasonings
from penname.serve.store.users import Users


class Exports(Users):
    """Exports users."""

    def export(self, tenant: str, user: str) -> dict[str, Any]:
        """All that is kept of a user: `user`, and lists of `documents`, `reasonings` and `feedback`, as JSON has them.

        Raises UnknownUser.
        """
        tenant, user = checked_user(tenant, user)
        with self._database.reading(tenant) as connection:
            known = self._known(connection, tenant, user)
            documents = [vars(document) for document in read_documents(connection, tenant, user, known)]
            return {
                "user": vars(self._user(connection, tenant, user)),
                "documents": [{name: value for name, value in one.items() if name != "user_id"} for one in documents],
                "reasonings": [vars(one) for one in read_reasonings(connection, tenant, known)],
                "feedback": [vars(one) for one in read_feedback(connection, tenant, known)],
            }
