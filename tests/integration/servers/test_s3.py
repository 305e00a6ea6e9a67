import obstore
from obstore.store import S3Store

from tests.servers.s3 import S3


def test_a_new_bucket_keeps_objects(s3_server: S3) -> None:
    environment = s3_server.environment
    store = S3Store(
        s3_server.new_bucket(),
        endpoint=environment["AWS_ENDPOINT_URL"],
        region=environment["AWS_REGION"],
        access_key_id=environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        client_options={"allow_http": True},
    )

    obstore.put(store, "a/b.txt", b"content")

    assert bytes(obstore.get(store, "a/b.txt").bytes()) == b"content"
