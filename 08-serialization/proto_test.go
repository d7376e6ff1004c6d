package serialization

import (
	"testing"

	"course.example/08-serialization/orderpb/reused"
	orderv1 "course.example/08-serialization/orderpb/v1"
	orderv2 "course.example/08-serialization/orderpb/v2"
	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The generated code is committed, so it can be of another day than the schema. Whoever changes a
// .proto file and forgets go generate is told so here, also where there is no protoc.
func TestGeneratedCodeIsThatOfTheSchema(t *testing.T) {
	t.Parallel()
	for _, generated := range []protoreflect.FileDescriptor{
		orderv1.File_orderpb_v1_order_proto, orderv2.File_orderpb_v2_order_proto,
		reused.File_orderpb_reused_order_proto,
	} {
		t.Run(generated.Path(), func(t *testing.T) {
			t.Parallel()
			compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{}}
			files, err := compiler.Compile(t.Context(), generated.Path())
			if err != nil {
				t.Fatal(err)
			}
			schema := protodesc.ToFileDescriptorProto(files[0])
			code := protodesc.ToFileDescriptorProto(generated)
			if !proto.Equal(schema, code) {
				t.Errorf("run go generate: the schema is\n%v\nand the code is of\n%v", schema, code)
			}
		})
	}
}
