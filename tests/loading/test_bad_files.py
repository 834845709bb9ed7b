"""Each class of mistake has one file, tests/configs/bad-NAME.yaml, and is told in exactly these words."""

from __future__ import annotations

from pathlib import Path

import pytest

from connmon_agent.errors import ConfigurationError
from connmon_agent.loading.configuration import load_settings

CONFIGS = Path(__file__).parent.parent / "configs"

MIRROR = '; write the URL of a mirror such as "https://mirror.example:5000", or none to never ask this registry'

MESSAGES = {
    "after-blind": ["2: link.after_gap: is none of the choices (got ignore); write check or restart"],
    "metered": ["2: link.metered: is none of the choices (got sometimes); write auto, true or false, without quotes"],
    "alternatives": [
        "4: services.frontend.alternatives: 8080 is the primary port itself (got [8081, 8080, 8081]); remove it here",
        "4: services.frontend.alternatives: 8081 is listed twice (got [8081, 8080, 8081]); keep one of the two",
    ],
    "bind": [
        "2: forwards.bind: 0.0.0.0 can be reached from other machines, and whoever reaches it reaches the services "
        "(got 0.0.0.0); write allow_remote: true beside it if that is meant, or bind: localhost",
    ],
    "bind-name": [
        "2: forwards.bind: must be an IP address (got wan0); write localhost, 127.0.0.1, or a list of addresses of "
        "this machine",
    ],
    "bind-everything": [
        "3: forwards.bind: 0.0.0.0 comprises 127.0.0.1 (got [0.0.0.0, 127.0.0.1]); keep 0.0.0.0, or the others",
    ],
    "bind-localhost": [
        "2: forwards.bind[1]: localhost stands for 127.0.0.1 and ::1 (got localhost); write it alone, or the "
        "addresses that you mean",
    ],
    "bind-mapped": [
        '2: forwards.bind: is an IPv4 address written as IPv6 (got "::ffff:127.0.0.1"); write 127.0.0.1',
    ],
    "bind-multicast": [
        "2: forwards.bind: is a multicast address, on which nothing can listen (got 224.0.0.1); write an address of "
        "this machine",
    ],
    "variables": [
        "3: services.a.b.port: A_B_URL in endpoints.env would be a-b's too (got 8082); rename one of the two here, and "
        "keep what it stands for with deployment: and service:",
    ],
    "check": [
        '2: services.web.check: must be the path of a URL (got "http://web/"); write it as /healthz; %20 for a blank',
        "3: services.api.check: has no effect without port (got /healthz); add port, or remove this key",
    ],
    "forwards": [
        "2: forwards.bind: 127.0.0.1 is listed twice (got [127.0.0.1, 127.0.0.1]); name each address once",
        '3: forwards.allow_remote: must be true or false (got "yes"); write true, without quotes',
        "4: forwards.reclaim: is none of the choices (got always); write idle or never",
        "5: forwards.transport: is none of the choices (got proxy); write auto, direct or port-forward",
        "6: forwards.backend_wait: is out of range (got 10m); write a duration from 0s to 5m",
        "7: forwards.max_connections: is out of range (got 0); write a whole number from 1 to 20000",
    ],
    "backoff": [
        "2: recovery.backoff.first: must not be longer than max, 5m (got 10m); write at most 5m",
    ],
    "colon": [
        "2: this is not YAML: mapping values are not allowed in this context; look at this line and the "
        "ones before it: indentation, a missing colon, an open quote or bracket",
    ],
    "confirm-above-interval": [
        "3: link.confirm_interval: must not be longer than check_interval, 2s (got 1m); write at most 2s",
    ],
    "cycle": [
        "3: services.frontend.depends_on: dependency cycle: frontend -> api-gateway -> "
        "database -> frontend (got [api-gateway]); remove one of these dependencies",
    ],
    "cycles": [
        "3: services.frontend.depends_on: dependency cycle: frontend -> frontend (got "
        "[frontend]); remove one of these dependencies",
        "5: services.grafana.depends_on: dependency cycle: grafana -> jaeger -> grafana "
        "(got [jaeger]); remove one of these dependencies",
    ],
    "damping": [
        "3: link.damping.suppress: suppress (6000) is above ceiling (5000): restarts could never be damped "
        "(got 6000); write suppress lower, or ceiling higher",
        "4: link.damping.reuse: reuse (6000) must be below suppress (6000): damping would end where it begins "
        "(got 6000); write reuse lower, or suppress higher",
    ],
    "damping-numbers": [
        "3: link.damping.penalty: is out of range (got 0); write a number from 1 to 1000000",
        "4: link.damping.half_life: is out of range (got 2d); write a duration from 1s to 1d",
        '5: link.damping.suppress: must be a number (got "6000"); remove the quotes',
        "6: link.damping.reuse: is out of range (got 0); write a number from 1 to 1000000",
        "7: link.damping.ceiling: must be a number (got lots); write a number from 1 to 1000000",
    ],
    "damping-out-of-reach": [
        "3: link.damping.half_life: suppress (6000) is out of reach: the fastest flapping adds up to 1610, "
        "so restarts could never be damped (got 1s); write suppress lower, half_life longer or penalty higher",
    ],
    "depends-on-twice": [
        "3: services.frontend.depends_on: grafana is listed twice (got [grafana, grafana]); keep one of the two",
    ],
    "depends-on-unknown": [
        "3: services.frontend.depends_on: there is no service api-gatewey (got [api-gatewey, database]); "
        "did you mean api-gateway?",
        "3: services.frontend.depends_on: there is no service database (got [api-gatewey, database]); the "
        "services are frontend, api-gateway",
    ],
    "duplicate-key": [
        "4: link.fall: duplicate key, first at line 2 (got 5); keep one of the two",
    ],
    "duplicate-service": [
        "6: services.frontend: duplicate key, first at line 2; keep one of the two",
    ],
    "duration-range": [
        "2: link.check_interval: is out of range (got 0); write a duration from 10ms to 1h",
        "3: link.timeout: is out of range (got -1); write a duration from 10ms to 1m",
        "4: link.hold: is out of range (got 2d); write a duration from 0s to 1d",
        "6: recovery.ready_timeout: is out of range (got 1e999); write a duration from 10ms to 1d",
        "8: kubernetes.read_timeout: is out of range (got 1ms); write a duration from 10ms to 5m",
    ],
    "duration-unit": [
        "2: link.timeout: must be a duration (got 1 second); write it as 500ms, 5s, 10m, 1h or 1h30m, or "
        "as a number of seconds",
        "3: link.hold: must be a duration (got -5s); write it as 500ms, 5s, 10m, 1h or 1h30m, or as a "
        "number of seconds",
        "4: link.check_interval: must be a duration (got 5min); write it as 500ms, 5s, 10m, 1h or 1h30m, "
        "or as a number of seconds",
    ],
    "empty": [
        "this file is empty; write settings into it, or remove it",
    ],
    "five-mistakes": [
        "2: link.check_interval: must be a duration (got 5 seconds); write it as 500ms, 5s, 10m, 1h or "
        "1h30m, or as a number of seconds",
        "4: link.fall: duplicate key, first at line 3 (got 4); keep one of the two",
        "6: recovery.act: must be true or false (got yes); write true, without quotes",
        "10: services.frontend.depend_on: unknown key; did you mean depends_on?",
        "12: services.grafana.port: is already the local port of frontend (got 8080); give each service its own port",
    ],
    "forward-without-port": [
        "3: services.frontend.alternatives: has no effect without port (got [8081]); add port, or remove this key",
        "4: services.frontend.target: has no effect without port (got http); add port, or remove this key",
    ],
    "kubernetes-names": [
        "2: kubernetes.namespace: is not a Kubernetes name by RFC 1123 (got ERP_System); use a-z, 0-9 and "
        "hyphens, a letter or digit at both ends",
        '4: services.Frontend: is not a Kubernetes name by RFC 1123 (got "Frontend"); use a-z, 0-9, '
        "hyphens and dots, a letter or digit at both ends",
        "6: services.web.deployment: is not a Kubernetes name by RFC 1123 (got web_1); use a-z, 0-9, "
        "hyphens and dots, a letter or digit at both ends",
        "7: services.web.namespace: is not a Kubernetes name by RFC 1123 (got team.a); use a-z, 0-9 and "
        "hyphens, a letter or digit at both ends",
        "9: services.web.service: is not a Kubernetes name by RFC 1123 (got -web); use a-z, 0-9 and "
        "hyphens, a letter or digit at both ends",
    ],
    "list-as-key": [
        "2: a list or mapping cannot be a key; write a plain name before the colon",
    ],
    "logging": [
        "2: logging.level: is none of the choices (got verbose); write debug, info, warning or error",
        "3: logging.format: is none of the choices (got xml); write text or json",
    ],
    "metrics": ['2: metrics.listen: must be text (got 9180); put it in quotes: "9180"'],
    "metrics-name": [
        "2: metrics.listen: must be an IP address and a port (got monitor.example:9180); write 127.0.0.1:9180, "
        "[::1]:9180, or null to serve nothing",
    ],
    "metrics-remote": [
        "2: metrics.listen: 0.0.0.0 can be reached from other machines, without a password or encryption (got "
        "0.0.0.0:9180); write allow_remote: true beside it if that is meant, or listen: 127.0.0.1:9180",
    ],
    "merge-key": [
        "5: services.grafana.<<: merge keys are not supported; write the settings out where they are meant",
    ],
    "no-targets": [
        "2: link.targets: must have at least one target (got []); add one, or remove the key to use the defaults",
    ],
    "no-value": [
        "2: link.check_interval: must be a duration (got nothing); write one, or remove the key to use the default",
        "4: recovery.act: must be true or false (got null); write one, or remove the key to use the default",
    ],
    "not-a-mapping": [
        "1: the file must contain keys and values (got [frontend, grafana]); begin with a key",
    ],
    "octal-port": [
        "3: services.frontend.port: must be a whole number (got 08080); write a whole number from 1 to 65535",
    ],
    "on-off": [
        "2: recovery.act: must be true or false (got on); write true, without quotes",
        "4: kubernetes.context: is ambiguous: YAML versions read it as text or as true or false (got no); put it "
        'in quotes: "no"',
        "7: services.frontend.depends_on[0]: is ambiguous: YAML versions read it as text or as true or false "
        '(got y); put it in quotes: "y"',
    ],
    "only-comments": [
        "the file has only comments; write settings, or remove it",
    ],
    "open-quote": [
        "2: this is not YAML: while scanning a quoted scalar: found unexpected end of stream; look at this "
        "line and the ones before it: indentation, a missing colon, an open quote or bracket",
    ],
    "port-twice": [
        "5: services.grafana.port: is already the local port of frontend (got 8080); give each service its own port",
    ],
    "ports": [
        "3: services.frontend.port: is out of range (got 0); write a whole number from 1 to 65535",
        "4: services.frontend.alternatives[1]: is out of range (got 65536); write a whole number from 1 to 65535",
        "4: services.frontend.alternatives[2]: must be a whole number (got http); write a whole number from 1 to 65535",
    ],
    "quality": [
        "3: link.quality.window: a window of 10s holds 12 probes, fewer than least, 60: there would be no "
        "verdict (got 10s); write a window of 44.1s or more, or a lower least",
        "5: link.quality.leave_loss: leave_loss must be below enter_loss, 0.1: the link would change its "
        "class with every round (got 0.1); write leave_loss lower, or enter_loss higher",
        "6: link.quality.enter_latency: is not below the timeout of a probe, 1s: it could never fire (got "
        "2s); write less than 1s",
    ],
    "quality-numbers": [
        "3: link.quality.enter_loss: must be a number (got 20 %); write a number from 0 to 0.99",
        "4: link.quality.leave_loss: is out of range (got 1.5); write a number from 0 to 0.99",
        "5: link.quality.leave_latency: is out of range (got 0); write a duration from 1ms to 1m",
        "6: link.quality.least: must be a whole number (got 0.5); write a whole number from 1 to 5000",
        "7: link.quality.enter_latencey: unknown key; did you mean enter_latency?",
    ],
    "quorum": [
        "2: link.quorum: is above the number of counted targets, 3: no round could be good (got 4); write a number "
        "from 1 to 3, or add targets",
    ],
    "quorum-and-targets": [
        "2: link.quorum: is above the number of counted targets, 2: no round could be good (got 9); write a number "
        "from 1 to 2, or add targets",
        "5: link.targets[1].port: is out of range (got 0); write a whole number from 1 to 65535",
    ],
    "quoted-truth": [
        '2: recovery.act: must be true or false (got "false"); write false, without quotes',
    ],
    "recursion": [
        "2: this alias names a value that contains it: *all; write the value itself",
    ],
    "registries": [
        "6: kubernetes.registries.docker.io: is not the URL of a registry (got mirror.example:5000)" + MIRROR,
        '7: kubernetes.registries.ghcr.io: is not the URL of a registry (got "https://mirror.example/path")' + MIRROR,
        "8: kubernetes.registries.quay.io: contains a user name or password; remove it",
        "9: kubernetes.registries.registry.example: is not the URL of a registry (got no)" + MIRROR,
        "10: kubernetes.registries.registry.example:5000: must be the URL of a mirror, or none (got "
        "[none]); write one value here, without brackets or keys",
        '11: kubernetes.registries.registry.k8s.io: is not the URL of a registry (got "ftp://mirror.example")' + MIRROR,
    ],
    "services-as-list": [
        "2: services: must contain keys and values (got [frontend, grafana]); write keys below it, indented",
    ],
    "services-without-value": [
        "1: services: must list services (got nothing); list them, write {} for none, or delete the key to use the "
        "seven defaults",
    ],
    "sexagesimal": [
        "2: link.hold: must be a duration (got 1:30); write it as 500ms, 5s, 10m, 1h or 1h30m, or as a "
        "number of seconds",
    ],
    "tab": [
        "2: this is not YAML: while scanning for the next token: found character that cannot start any "
        "token; indent with spaces: YAML allows no tabs",
    ],
    "tag": [
        "2: kubernetes.kubeconfig: tags are not supported (got "
        "tag:yaml.org,2002:python/object/apply:os.system); remove the tag",
        "2: kubernetes.kubeconfig: must be text (got [id]); write one value here, without brackets or keys",
    ],
    "target-dns": [
        "4: link.targets[0].server: must be an IP address (got dns.example.com); write an address; a "
        "name cannot be resolved without a name server",
        "5: link.targets[1].name: must be a domain name (got 192.0.2.1); write a name that has an A "
        "record, such as example.com",
    ],
    "target-host": [
        "4: link.targets[0].host: must be a host name or an IP address (got 192.0.2.256); write the host "
        "alone, without scheme, port or brackets",
        '5: link.targets[1].host: must be a host name or an IP address (got "http://192.0.2.1"); write the '
        "host alone, without scheme, port or brackets",
    ],
    "target-keys": [
        "4: link.targets[0].port: is missing; write port: ...",
        "5: link.targets[1].name: is missing; write name: ...",
        "6: link.targets[2].url: is missing; write url: ...",
    ],
    "target-evidence-alone": [
        "2: link.targets: must have at least one target that checks the internet (got [{kind: interface}, "
        "{kind: gateway}]); add one of kind tcp, dns, http or icmp: an interface or a gateway answers while "
        "the internet is gone",
    ],
    "target-family": [
        "4: link.targets[0].family: is not that of 192.0.2.1 (got ipv6); remove it: the address says it already",
        "5: link.targets[1].family: is not that of 2001:db8::1 (got ipv4); remove it: the address says it already",
        "6: link.targets[2].family: is none of the choices (got 6); write ipv4 or ipv6",
        "7: link.targets[3].family: has no effect through a proxy (got ipv4); remove it, or write proxy: none",
    ],
    "target-record": [
        "4: link.targets[0].record: is none of the choices (got MX); write A or AAAA",
        "5: link.targets[1].transport: is none of the choices (got tls); write udp or tcp",
    ],
    "target-proxy": [
        "4: link.targets[0].proxy: contains a user name or password; remove it; a proxy that wants one is named in "
        "the agent's environment, as http_proxy",
        '5: link.targets[1].proxy: must be the URL of an HTTP proxy (got "socks5://192.0.2.1:1080"); write it as '
        "http://host:port, or none to go past the environment's",
        '6: link.targets[2].proxy: must be the URL of an HTTP proxy (got "192.0.2.1:3128"); write it as '
        "http://host:port, or none to go past the environment's",
        '7: link.targets[3].proxy: must be the URL of an HTTP proxy (got "http://192.0.2.1/path"); write it as '
        "http://host:port, or none to go past the environment's",
        '8: link.targets[4].proxy: is not a URL: Port out of range 0-65535 (got "http://192.0.2.1:99999"); write it as '
        "http://host:port, or none to go past the environment's",
    ],
    "target-kind": [
        "4: link.targets[0].kind: is none of the choices (got smtp); write tcp, dns, http, icmp, gateway or interface",
        "5: link.targets[1].kind: is missing; write kind: tcp, dns, http, icmp, gateway or interface",
        "6: link.targets[2]: must contain keys and values (got 192.0.2.1); write keys below it, indented",
    ],
    "target-port": [
        "4: services.frontend.target: is out of range (got 70000); write a whole number from 1 to 65535",
    ],
    "target-twice": [
        "5: link.targets[2]: is the same target as link.targets[0]: tcp 192.0.2.1:443; remove one of them",
    ],
    "target-url": [
        '4: link.targets[0].url: must be an http or https URL (got "ftp://192.0.2.1/"); write it as http://host/path',
        '5: link.targets[1].url: must be an http or https URL (got "192.0.2.1/generate_204"); write it as '
        "http://host/path",
        '6: link.targets[2].url: is not a URL: Port out of range 0-65535 (got "http://192.0.2.1:99999/"); '
        "write it as http://host/path",
        "7: link.targets[3].url: contains a user name or password; remove it; targets are probed without one",
        "8: link.targets[4].status: is out of range (got 99); write a whole number from 100 to 599",
    ],
    "notify": [
        '3: notify.channels.Büro: is not the name of a channel (got "Büro"); use a-z, 0-9 and hyphens, at '
        "most 40 of them",
        "5: notify.channels.empty: does not say how notices are sent; write mail, webhook, ntfy, command or "
        "apprise below it, with its keys",
        "8: notify.channels.both.ntfy: a channel has one kind, and mail is here already (got {url: "
        '"https://ntfy.sh/site"}); write another channel',
        "10: notify.channels.nobody.mail.to: must name a recipient (got []); write [name@example.com]",
        '12: notify.channels.address.mail.to[0]: must be the address of a mailbox (got "IT '
        '<it@example.com>"); write it as name@example.com, without a name before it',
        "14: notify.channels.login.mail.user: has no effect without password_file (got site); add "
        "password_file, or remove this key",
        "16: notify.channels.plain.mail.user: the password would cross the network without encryption (got "
        "site); write security: starttls or tls, or remove user and password_file",
        "18: notify.channels.nowhere.webhook: url is missing; write url, or url_file with a file that contains the URL",
        "20: notify.channels.twice.webhook.url_file: is a second URL beside url (got /u); keep one of the two",
        "22: notify.channels.header.webhook.headers.Host: is set by connmon-agent (got x); remove it",
        "22: notify.channels.header.webhook.headers.a b: is not the name of an HTTP header (got y); write a "
        "name such as X-Site or Authorization",
        "24: notify.channels.field.webhook.template: names {titel}, which is no field of a notice; the "
        "fields are subject, body, site, kind, channel, number, id, outage, state, cause, started, ended, "
        "duration, gap, restarts, gave_up, remedy",
        '26: notify.channels.template.webhook.template: must contain keys and values (got "{subject}"); '
        'write them below it, as text: "{subject}"',
        "28: notify.channels.topic.ntfy.priority: is out of range (got 6); write a whole number from 1 to 5",
        "28: notify.channels.topic.ntfy.tags[0]: must be one word (got a b); write each tag alone, without "
        "blanks and commas, at most 40 characters",
        "30: notify.channels.logins.ntfy.token_file: is a second login beside user (got /t); keep one of the two",
        "32: notify.channels.program.command.program: is missing; write program: ...",
        "33: notify.heartbeat.interval: is out of range (got 5s); write a duration from 15s to 1d",
    ],
    "notify-secrets": [
        "4: notify.channels.chat.webhook.url: contains a credential; write the URL to a file, and name the "
        "file in url_file",
        "6: notify.channels.header.webhook.headers: contains a credential; write the value to a file, and "
        "name the file in header_files",
        "8: notify.channels.template.webhook.template: contains a credential; send it as a header from header_files",
        "10: notify.channels.login.ntfy.url: contains a user name or password; write the URL to a file, and "
        "name the file in url_file",
        "12: notify.channels.program.command.arguments: contains a credential; write it to a file that the "
        "program reads: every user of this machine can read arguments",
        "13: notify.heartbeat.url: contains a credential; write the URL to a file, and name the file in url_file",
    ],
    "offline-below-interval": [
        "3: link.offline_interval: must not be shorter than check_interval, 20s (got 10s); write at least 20s",
    ],
    "boot-grace": [
        "2: link.boot_grace: is out of range (got 2h); write a duration from 0s to 1h",
    ],
    "offline-range": [
        "2: link.offline_interval: is out of range (got 25h); write a duration from 10ms to 1d",
    ],
    "thresholds": [
        "2: link.quorum: is out of range (got 0); write a whole number from 1 to 1000",
        "3: link.fall: is out of range (got 0); write a whole number from 1 to 1000",
        "4: link.rise: is out of range (got -1); write a whole number from 1 to 1000",
        "6: recovery.max_restart_attempts: is out of range (got 0); write a whole number from 1 to 100",
        "7: recovery.parallel: is out of range (got 100000); write a whole number from 1 to 1000",
    ],
    "timeout-above-interval": [
        "3: link.timeout: must not be longer than check_interval, 2s (got 3s); write at most 2s",
    ],
    "two-documents": [
        "3: a second document starts here; keep one document per file; remove the line ---",
    ],
    "two-workloads": [
        "4: services.database.statefulset: a service is one workload, and deployment names it already (got "
        "database); keep one of them",
    ],
    "unknown-alias": [
        "2: this alias names no value: *pause; write the value itself",
    ],
    "unknown-key-of-a-service": [
        "3: services.frontend.replicas: unknown key; the keys here are deployment, statefulset, daemonset, "
        "namespace, depends_on, port, alternatives, service, target, check, transport",
    ],
    "unknown-key-of-a-target": [
        "4: link.targets[0].tls: unknown key; the keys here are kind, host, port, family",
    ],
    "unknown-key": [
        "2: link.check_intervall: unknown key; did you mean check_interval?",
    ],
    "unknown-section": [
        "1: network: unknown key; the keys here are state_dir, stop_timeout, state_group, start, link, recovery, "
        "kubernetes, forwards, services, logging, journal, metrics, notify, web",
    ],
    "when-key": [
        "2: recovery.when.outage_longer: unknown key; did you mean outage_longer_than?",
    ],
    "when-without-duration": [
        "2: recovery.when: is none of the choices (got outage_longer_than); write always, unhealthy or "
        "{outage_longer_than: 30s}",
    ],
    "when": [
        "2: recovery.when: is none of the choices (got sometimes); write always, unhealthy or "
        "{outage_longer_than: 30s}",
    ],
    "workload-twice": [
        "4: services.web.deployment: Deployment erp-system/frontend is already used by frontend (got "
        "frontend); list each workload once",
    ],
    "wrong-types": [
        "1: state_dir: must be text (got [var]); write one value here, without brackets or keys",
        "3: link.quorum: must be a whole number (got two); write a whole number from 1 to 1000",
        '4: link.fall: must be a whole number (got "3"); remove the quotes',
        "5: link.rise: must be a whole number (got 2.5); write a whole number from 1 to 1000",
        "6: link.hold: must be a duration (got true); write it as 500ms, 5s, 10m, 1h or 1h30m, or as a "
        "number of seconds",
        "7: link.targets: must be a list (got none); write it as [a, b] or as lines that begin with a dash",
        "8: recovery: must contain keys and values (got always); write keys below it, indented",
        '10: kubernetes.namespace: must be text (got 7); put it in quotes: "7"',
        '11: kubernetes.context: must be text (got true); put it in quotes: "true"',
        "14: services.frontend.port: must be a whole number (got yes); write a whole number from 1 to 65535",
        "15: services.frontend.alternatives: must be a list (got 8081); write it as [a, b] or as lines "
        "that begin with a dash",
        "16: services.frontend.depends_on: must be a list (got grafana); write it as [a, b] or as lines "
        "that begin with a dash",
    ],
}


def find_problems(name: str) -> list[str]:
    path = CONFIGS / f"bad-{name}.yaml"
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, state_dir=None, environment={})
    assert caught.value.exit_code == 2
    assert {problem.file for problem in caught.value.problems} == {str(path)}
    return [str(problem).removeprefix(f"{path}:").strip() for problem in caught.value.problems]


@pytest.mark.parametrize("name", MESSAGES)
def test_mistakes_are_told_in_these_words(name: str) -> None:
    assert find_problems(name) == MESSAGES[name]


def test_every_bad_file_is_in_the_table() -> None:
    assert sorted(MESSAGES) == sorted(path.stem.removeprefix("bad-") for path in CONFIGS.glob("bad-*.yaml"))


def test_five_mistakes_yield_five_messages() -> None:
    assert len(find_problems("five-mistakes")) == 5
