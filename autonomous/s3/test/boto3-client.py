"""Signs in each way that botocore knows, and compares what comes back."""

import io
import sys
import urllib.request

import boto3
from botocore.client import Config

port = sys.argv[1]
keys = ["plain", "with space/and+plus", "marks !*'();:@&=$,?#[]%", "日本語/🙂", "a//double"]


def client(style, signed):
    # Names below localhost need no resolver: requests go to a proxy, which is the endpoint itself.
    return boto3.client(
        "s3",
        endpoint_url="http://localhost:" + port,
        config=Config(
            s3={"addressing_style": style, "payload_signing_enabled": signed},
            signature_version="s3v4",
            proxies={"http": "http://127.0.0.1:" + port} if style == "virtual" else None,
            retries={"max_attempts": 0},
        ),
    )


for style in ("path", "virtual"):
    for signed in (True, False):
        s3 = client(style, signed)
        bucket = "boto-%s-%s" % (style, str(signed).lower())
        s3.create_bucket(Bucket=bucket)
        for key in keys:
            body = key.encode()
            s3.put_object(Bucket=bucket, Key=key, Body=io.BytesIO(body), Metadata={"note": "a  b"})
            got = s3.get_object(Bucket=bucket, Key=key)
            assert got["Body"].read() == body
            assert got["Metadata"]["note"] in ("a  b", "a b")
            if style == "path":
                url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key})
                assert urllib.request.urlopen(url).read() == body
        listed = s3.list_objects_v2(Bucket=bucket)
        assert sorted(o["Key"] for o in listed["Contents"]) == sorted(keys)
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in keys]})
        assert s3.list_objects(Bucket=bucket).get("Contents") is None
print("all agree")
