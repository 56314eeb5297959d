# The S3 server is in no package archive and takes minutes to build. A new version is a new name here and in s3.go.
build versitygw-1.8.0 versitygw github.com/versity/versitygw/cmd/versitygw
