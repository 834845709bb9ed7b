"""Who may do what: denials on request, which real calls and SelfSubjectAccessReviews agree on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a request wants, as RBAC sees it. ``namespace`` and ``name`` may be empty; ``resource`` is the plural,
    with its subresource as in ``pods/portforward``.
    """

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Denial:
    """What is forbidden. None: whatever it is."""

    verb: str | None = None
    resource: str | None = None
    namespace: str | None = None
    name: str | None = None

    def covers(self, attributes: Attributes) -> bool:
        """Whether this denial forbids it. A question about any object (no name) is not covered by a denial of one."""
        wanted = (self.verb, self.resource, self.namespace, self.name)
        asked = (attributes.verb, attributes.resource, attributes.namespace, attributes.name)
        return all(want is None or want == ask for want, ask in zip(wanted, asked, strict=True))


class Access:
    """Authentication and authorization. Everything is allowed until it is denied.

    ``token`` is the bearer token every request must carry; None: no authentication. ``user`` is the name in messages.
    """

    def __init__(self, token: str | None = None, user: str = "connmon") -> None:
        self.token = token
        self.user = user
        self._denials: tuple[Denial, ...] = ()

    def deny(
        self,
        verb: str | None = None,
        resource: str | None = None,
        *,
        namespace: str | None = None,
        name: str | None = None,
    ) -> Denial:
        """Forbid what matches from now on: ``deny("patch", "deployments")``. Returns what ``allow`` takes back."""
        denial = Denial(verb, resource, namespace, name)
        self._denials = (*self._denials, denial)
        return denial

    def allow(self, denial: Denial | None = None) -> None:
        """Take back one denial, or all of them."""
        self._denials = tuple(other for other in self._denials if denial is not None and other != denial)

    def allows(self, attributes: Attributes) -> bool:
        """Whether a request with these attributes may pass."""
        return not any(denial.covers(attributes) for denial in self._denials)

    def explain(self, attributes: Attributes, user: str | None = None) -> str:
        """The sentence of a 403."""
        where = f'in the namespace "{attributes.namespace}"' if attributes.namespace else "at the cluster scope"
        return (
            f'User "{user or self.user}" cannot {attributes.verb} resource "{attributes.resource}" '
            f'in API group "{attributes.group}" {where}'
        )
