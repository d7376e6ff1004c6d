package serialization

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	orderv2 "course.example/08-serialization/orderpb/v2"
	"google.golang.org/protobuf/encoding/protowire"
)

// In the message of exercise 08.5 version 2 understands everything but what is to be found.
func TestMessageOfTheExercise(t *testing.T) {
	t.Parallel()
	const dir = "exercises/05-version-three/"
	text, err := os.ReadFile(dir + "message.hex")
	if err != nil {
		t.Fatal(err)
	}
	body, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	event, err := Read(Protobuf, body, Current)
	if err != nil || event.Payment.Wallet == nil || len(event.Items) != 2 {
		t.Errorf("version 2 reads %+v, %v", event, err)
	}
	var m orderv2.OrderPlaced
	if err := unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	answer, err := os.ReadFile(dir + "solution/answer.txt")
	if err != nil {
		t.Fatal(err)
	}
	var number protowire.Number
	var says string
	if _, err := fmt.Sscan(string(answer), &number, &says); err != nil {
		t.Fatal(err)
	}
	want := protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), says)
	if got := m.ProtoReflect().GetUnknown(); !bytes.Equal(got, want) {
		t.Errorf("unknown to version 2 is %x, and the answer is %x", got, want)
	}
}
