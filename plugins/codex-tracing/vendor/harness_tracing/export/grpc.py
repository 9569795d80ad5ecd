"""OTLP over gRPC: one call, one strict reading of its status.

Facts: the OTLP specification 1.9 (https://opentelemetry.io/docs/specs/otlp/#otlpgrpc) for which
codes may pass later; gRPC core 1.80 and 1.85 for what it takes from the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from harness_tracing.destinations import Destination
from harness_tracing.export.outcome import LONGEST_RETRY_AFTER_S, Outcome, Verdict
from harness_tracing.export.partial import partial_success
from harness_tracing.export.reasons import Reasons, unusable_header
from harness_tracing.export.trust import OWN_AUTHORITY, authorities

_ANSWER_BYTES = 1 << 20
_SERVICE = trace_service_pb2.DESCRIPTOR.services_by_name["TraceService"]
_METHOD = f"/{_SERVICE.full_name}/{_SERVICE.methods_by_name['Export'].name}"
_VERDICTS: Mapping[grpc.StatusCode, Verdict] = {
    grpc.StatusCode.CANCELLED: "temporary",
    grpc.StatusCode.DEADLINE_EXCEEDED: "temporary",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "temporary",
    grpc.StatusCode.ABORTED: "temporary",
    grpc.StatusCode.OUT_OF_RANGE: "temporary",
    grpc.StatusCode.UNAVAILABLE: "temporary",
    grpc.StatusCode.DATA_LOSS: "temporary",
    # A server's own fault, as 500 is: Python servers answer UNKNOWN when a handler raises.
    grpc.StatusCode.INTERNAL: "temporary",
    grpc.StatusCode.UNKNOWN: "temporary",
    grpc.StatusCode.UNAUTHENTICATED: "refused",
    grpc.StatusCode.PERMISSION_DENIED: "refused",
    grpc.StatusCode.INVALID_ARGUMENT: "rejected",
}
_HTTP_STATUS = re.compile(r"http2 header with status: (\d+)", re.IGNORECASE)
_NO_GRPC = re.compile(r"Failed parsing HTTP.2", re.IGNORECASE)
_PROXY_STATUS = re.compile(r"proxy returned response code (\d+)", re.IGNORECASE)
_UNTRUSTED = re.compile(r"SSL_ERROR|Tls handshake|verification check", re.IGNORECASE)
_TOO_LARGE = re.compile(r"larger than max", re.IGNORECASE)


class GrpcSender:
    """Sends requests to the TraceService of a destination, one attempt each.

    Proxy and certificates are the destination's: gRPC's own variables (`grpc_proxy`,
    `https_proxy`, `GRPC_DEFAULT_SSL_ROOTS_FILE_PATH`, …) are overruled.
    """

    def __init__(self, destination: Destination, *, version: str) -> None:
        self._destination = destination
        self._version = version
        self._reasons = Reasons(destination)
        self._channel: Any = None
        self._export: Any = None
        self._owner = 0

    def send(self, request: bytes, timeout_s: float) -> Outcome:
        """Send one encoded request; never raises for what the network or the server does."""
        bad = unusable_header(self._destination)
        if bad:
            return Outcome("refused", self._reasons.say(f"{bad} cannot be sent; set it again"))
        try:
            export = self._open()
        except (OSError, ValueError) as error:
            file = self._destination.certificate
            what = f"the certificate file {file} cannot be used; {OWN_AUTHORITY}"
            return Outcome("temporary", self._reasons.say(what, str(error)))
        headers = [(name.lower(), text) for name, text in self._destination.headers.items()]
        try:
            answer = export(
                request, timeout=timeout_s, metadata=headers, compression=grpc.Compression.Gzip
            )
        except grpc.RpcError as error:
            # gRPC waits up to two minutes before it connects again; when to try is not its matter.
            self.close()
            return outcome_of(error, self._reasons)
        return _accepted(answer, self._reasons)

    def close(self) -> None:
        """Hang up. The next request opens a new channel."""
        channel, self._channel = self._channel, None
        if channel is not None and self._owner == os.getpid():
            channel.close()

    def _open(self) -> Any:
        if self._channel is None or self._owner != os.getpid():
            self._channel = _channel(self._destination, self._version)
            self._export = self._channel.unary_unary(_METHOD)
            self._owner = os.getpid()
        return self._export


def _channel(destination: Destination, version: str) -> Any:
    scheme, _, rest = destination.target.endpoint.partition("://")
    address = f"dns:///{rest.partition('/')[0]}"
    options = _options(destination.proxy, version)
    if scheme != "https":
        return grpc.insecure_channel(address, options)
    roots = grpc.ssl_channel_credentials(authorities(destination.certificate))
    return grpc.secure_channel(address, roots, options)


def _options(proxy: Optional[str], version: str) -> Sequence[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        ("grpc.primary_user_agent", f"coding-harness-tracing/{version}"),
        ("grpc.max_receive_message_length", _ANSWER_BYTES),
        # Or a proxy for addresses would be taken from GRPC_ADDRESS_HTTP_PROXY, whatever the
        # option below says.
        ("grpc.address_http_proxy_enabled_addresses", ""),
        ("grpc.enable_retries", 0),
        # A channel of its own for each sender, or two of them would share a connection.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if proxy:
        return [*options, ("grpc.http_proxy", proxy)]
    return [*options, ("grpc.enable_http_proxy", 0)]


def _accepted(answer: bytes, reasons: Reasons) -> Outcome:
    try:
        response = trace_service_pb2.ExportTraceServiceResponse.FromString(answer)
    except DecodeError:
        return Outcome("misdirected", reasons.say("answered OK with what is no OTLP answer"))
    partial = response.partial_success
    return partial_success(partial.rejected_spans, partial.error_message, reasons)


def outcome_of(error: Any, reasons: Reasons) -> Outcome:
    """What a call that failed means; `error` is the grpc.RpcError of a call."""
    code: grpc.StatusCode = error.code()
    details: str = error.details() or ""
    verdict, what = _meaning(code, details)
    return Outcome(verdict, reasons.say(what, details), retry_after_s=_retry_after_s(error))


def _meaning(code: grpc.StatusCode, details: str) -> tuple[Verdict, str]:
    """The verdict, and in words what happened. Some codes come from gRPC core, not a server."""
    verdict = _VERDICTS.get(code, "misdirected")
    if verdict == "refused":
        return verdict, f"does not accept the credentials ({code.name}); set others"
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return verdict, "no answer in time"
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE.search(details):
        return "too_large", f"answered {code.name}"
    if verdict == "misdirected" or _NO_GRPC.search(details) or _is_elsewhere(details):
        what = f"does not answer as an OTLP endpoint for gRPC does ({code.name}); is it right?"
        return "misdirected", what
    if code is grpc.StatusCode.UNAVAILABLE:
        proxy = _PROXY_STATUS.search(details)
        if proxy:
            denied = int(proxy[1]) < 500
            return "misdirected" if denied else "temporary", "the proxy refuses the way there"
        if _UNTRUSTED.search(details):
            return verdict, f"its certificate is not trusted, or it speaks no TLS; {OWN_AUTHORITY}"
    return verdict, f"answered {code.name}"


def _is_elsewhere(details: str) -> bool:
    """Whether a web server answered, and not with a fault of its own."""
    status = _HTTP_STATUS.search(details)
    return status is not None and int(status[1]) < 500 and status[1] not in ("408", "429")


def _retry_after_s(error: Any) -> Optional[float]:
    """The delay the server asks for: google.rpc.RetryInfo among the details of its status."""
    for key, packed in error.trailing_metadata() or ():
        try:
            if key == "grpc-status-details-bin":
                for detail in Status.FromString(packed).details:
                    told = RetryInfo()
                    if detail.Unpack(told):
                        return _seconds(told)
            elif key == "google.rpc.retryinfo-bin":
                return _seconds(RetryInfo.FromString(packed))
        except DecodeError:
            continue
    return None


def _seconds(told: RetryInfo) -> float:
    delay_s: float = told.retry_delay.seconds + told.retry_delay.nanos / 1e9
    return min(max(delay_s, 0.0), LONGEST_RETRY_AFTER_S)
