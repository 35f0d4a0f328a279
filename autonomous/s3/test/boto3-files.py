"""Sends files and a folder by the transfer manager, lists, brings them back, removes them."""

import os
import sys

import boto3
from botocore.client import Config

port, large, tree, out = sys.argv[1:]
s3 = boto3.client(
    "s3",
    endpoint_url="http://127.0.0.1:" + port,
    config=Config(s3={"addressing_style": "path"}),
)
s3.create_bucket(Bucket="boto3-files")
s3.upload_file(large, "boto3-files", "large")
s3.download_file("boto3-files", "large", os.path.join(out, "large"))
keys = []
for folder, _, names in os.walk(tree):
    for name in names:
        path = os.path.join(folder, name)
        key = "tree/" + os.path.relpath(path, tree)
        s3.upload_file(path, "boto3-files", key)
        keys.append(key)
pages = s3.get_paginator("list_objects_v2").paginate(
    Bucket="boto3-files", PaginationConfig={"PageSize": 50}
)
listed = [entry["Key"] for page in pages for entry in page["Contents"]]
assert sorted(listed) == sorted(keys + ["large"]), len(listed)
for key in keys:
    path = os.path.join(out, key)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    s3.download_file("boto3-files", key, path)
for at in range(0, len(listed), 1000):
    objects = [{"Key": key} for key in listed[at : at + 1000]]
    answer = s3.delete_objects(Bucket="boto3-files", Delete={"Objects": objects})
    assert "Errors" not in answer, answer["Errors"]
s3.delete_bucket(Bucket="boto3-files")
print("all agree")
