//! Named bytes in a folder, S3, GCS, Azure or MinIO, by `object_store`.
