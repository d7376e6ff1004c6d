#!/bin/sh
# Generates the grains' code from a .proto file: protoc is Debian's package
# protobuf-compiler (with libprotobuf-dev for options in a .proto), its two
# plugins are tools of this module (go tool). Run by
# go generate in the folder of the file.
set -eu
protoc -I . -I "$(go list -m -f '{{.Dir}}' github.com/asynkron/protoactor-go)" \
	--plugin=protoc-gen-go="$(go tool -n protoc-gen-go)" \
	--plugin=protoc-gen-go-grain="$(go tool -n protoc-gen-go-grain)" \
	--go_out=. --go_opt=paths=source_relative \
	--go-grain_out=. --go-grain_opt=paths=source_relative "$@"
gofmt -w ./*.pb.go
