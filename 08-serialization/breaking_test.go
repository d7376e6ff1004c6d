package serialization

import (
	"strings"
	"testing"

	"course.example/08-serialization/orderpb/reused"
	orderv1 "course.example/08-serialization/orderpb/v1"
	orderv2 "course.example/08-serialization/orderpb/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

type (
	message = descriptorpb.DescriptorProto
	enum    = descriptorpb.EnumDescriptorProto
)

// altered is the schema of version 1 after a change, without a compiler.
func altered(
	t *testing.T, change func(order, item *message, channel *enum),
) protoreflect.MessageDescriptor {
	t.Helper()
	file := protodesc.ToFileDescriptorProto(orderv1.File_orderpb_v1_order_proto)
	change(file.MessageType[0], file.MessageType[1], file.EnumType[0])
	changed, err := protodesc.NewFile(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return changed.Messages().Get(0)
}

// Every rule is red for what it is there for.
func TestEveryRuleOfBreakingProtobuf(t *testing.T) {
	t.Parallel()
	v1 := (&orderv1.OrderPlaced{}).ProtoReflect().Descriptor()
	for says, change := range map[string]func(order, item *message, channel *enum){
		"": func(order, _ *message, _ *enum) { // taken away as it should be
			last := len(order.Field) - 1
			order.Field = order.Field[:last]
			order.ReservedRange = append(order.ReservedRange,
				&descriptorpb.DescriptorProto_ReservedRange{Start: proto.Int32(8), End: proto.Int32(9)})
		},
		"OrderPlaced: user_email was optional string and is optional bytes": func(
			order, _ *message, _ *enum) {
			order.Field[2].Type = descriptorpb.FieldDescriptorProto_TYPE_BYTES.Enum()
		},
		"OrderPlaced: user_email was optional string and is repeated string": func(
			order, _ *message, _ *enum) {
			order.Field[2].Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		},
		`OrderPlaced: invoice was in oneof "payment" and is in ""`: func(
			order, _ *message, _ *enum) {
			order.Field[7].OneofIndex = nil
		},
		"Item: 2 was quantity and is count": func(_, item *message, _ *enum) {
			item.Field[1].Name = proto.String("count")
			item.Field[1].JsonName = proto.String("count")
		},
		"Channel: 2 was CHANNEL_PHONE and is no more": func(_, _ *message, channel *enum) {
			channel.Value[2].Name = proto.String("CHANNEL_FAX")
		},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(BreakingProtobuf(v1, altered(t, change)), "\n"); got != says {
				t.Errorf("got %q, want %q", got, says)
			}
		})
	}
}

func TestBreakingProtobuf(t *testing.T) {
	t.Parallel()
	v1 := (&orderv1.OrderPlaced{}).ProtoReflect().Descriptor()
	v2 := (&orderv2.OrderPlaced{}).ProtoReflect().Descriptor()
	bad := (&reused.OrderPlaced{}).ProtoReflect().Descriptor()
	for name, c := range map[string]struct {
		old, next protoreflect.MessageDescriptor
		says      string // "" for a change that breaks nobody
	}{
		"v1 to v2":            {v1, v2, ""},
		"the same":            {v1, v1, ""},
		"back from v2 to v1":  {v2, v1, "contact = 10 is gone"},
		"reused-field-number": {v2, bad, "1 was order_id and is cart_id"},
		"removed":             {v1, bad, "its number is not reserved"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			says := strings.Join(BreakingProtobuf(c.old, c.next), "\n")
			t.Log(says)
			if (says == "") != (c.says == "") || !strings.Contains(says, c.says) {
				t.Errorf("got %q, want %q", says, c.says)
			}
		})
	}
}

func TestBreakingJSON(t *testing.T) {
	t.Parallel()
	event := plain(2)
	event.Contact = &Contact{Email: event.UserEmail}
	for name, c := range map[string]struct {
		old, next Codec
		from      int
		says      string
	}{
		"v1 to v2":           {JSON, JSON, 1, ""},
		"another library":    {JSON, JSONv2, 2, ""},
		"renamed-json-field": {JSON, renamedField{JSON}, 2, "/order_id: was a string and is nothing"},
		"int-overflow":       {JSON, bareNumber{JSON}, 2, "/order_number: was a string and is a number"},
		"always was a number": {bareNumber{JSON}, bareNumber{JSON}, 2,
			"is more than a float64 holds"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken, err := BreakingJSON(
				encoded(t, c.old, event, c.from), encoded(t, c.next, event, Current))
			if err != nil {
				t.Fatal(err)
			}
			says := strings.Join(broken, "\n")
			t.Log(says)
			if (says == "") != (c.says == "") || !strings.Contains(says, c.says) {
				t.Errorf("got %q, want %q", says, c.says)
			}
		})
	}
}
