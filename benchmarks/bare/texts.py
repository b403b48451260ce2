"""The texts that the bare loops write, as long as those of qml."""

from ..loops import PAYLOAD

TEXTS = {
    "payload": f'[["{PAYLOAD}"],{{}}]',
    "enqueued": '{"enqueued_at":1900000000000000,"queue":"default"}',
    "started": '{"started_at":1900000000000000,"server_name":"bare"}',
    "done": '{"succeeded_at":1900000000000000,"total_duration_ms":0.05,"result":1}',
}
