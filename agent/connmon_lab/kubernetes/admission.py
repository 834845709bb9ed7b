"""Admission: changes that a policy or a webhook refuses, because somebody asked for it.

Source of the words: kubernetes apiserver/pkg/admission/plugin/webhook/errors/statuserror.go and
plugin/policy/validating/dispatcher.go; the 422 of a policy as seen on a 1.37.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from .access import Attributes, Denial
from .objects import Manifest
from .routes import ApiRoute
from .statuses import ApiError, forbidden
from .versions import Trait, Version


@dataclass(frozen=True, slots=True)
class Rule:
    """What is refused, by whom. ``code`` None: the refusal is a ValidatingAdmissionPolicy's, else a webhook's."""

    covers: Denial
    name: str
    message: str
    code: int | None


class Admission:
    """Whether a change may be stored. Everything may until it is refused. Reads are never asked for."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._rules: tuple[Rule, ...] = ()

    def refuse_by_policy(self, what: Denial, *, name: str, message: str) -> Rule:
        """A ValidatingAdmissionPolicy and its binding, both of this name, refuse ``what`` with ``message``: a 422.

        Returns what ``allow`` takes back. Raises ValueError for a version that has no such policies.
        """
        if not self._version.has(Trait.ADMISSION_POLICIES):
            raise ValueError(f"Kubernetes {self._version.text} has no ValidatingAdmissionPolicy")
        return self._add(Rule(what, name, message, None))

    def refuse_by_webhook(self, what: Denial, *, name: str, message: str, code: int = 403) -> Rule:
        """An admission webhook of this name refuses ``what``, with the status that it chooses."""
        return self._add(Rule(what, name, message, code))

    def allow(self, rule: Rule | None = None) -> None:
        """Take back one refusal, or all of them."""
        self._rules = tuple(other for other in self._rules if rule is not None and other != rule)

    def check(self, route: ApiRoute, verb: str, name: str) -> None:
        """Raises ApiError when the change ``verb`` of the object ``name`` is refused."""
        wanted = Attributes(verb, route.resource.plural, route.resource.group, route.namespace or "", name)
        for rule in self._rules:
            if rule.covers.covers(wanted):
                raise _refuse(route, name, rule)

    def _add(self, rule: Rule) -> Rule:
        self._rules = (*self._rules, rule)
        return rule


def _refuse(route: ApiRoute, name: str, rule: Rule) -> ApiError:
    if rule.code is not None:
        message = f'admission webhook "{rule.name}" denied the request: {rule.message}'
        return ApiError(rule.code, message, details={})
    words = f"ValidatingAdmissionPolicy '{rule.name}' with binding '{rule.name}' denied request: {rule.message}"
    said = forbidden(route.resource, name, words)
    details: Manifest = {**(said.details or {}), "causes": [{"message": words}]}
    return ApiError(422, said.message, details=details)
