package serialization

import (
	"reflect"
	"testing"

	orderv1 "course.example/08-serialization/orderpb/v1"
	orderv2 "course.example/08-serialization/orderpb/v2"
	"google.golang.org/protobuf/proto"
)

// All four pairings of old and new, for every codec. Old and old, new and new
// have to agree on everything; old and new on what both know.

func TestOldWriterOldReader(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, c Codec) {
		want := plain(5)
		got, err := Read(c, encoded(t, c, want, 1), 1)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, want)
	})
}

func TestNewWriterNewReader(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, c Codec) {
		want := sample(5)
		got, err := Read(c, encoded(t, c, want, 2), 2)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, want)
	})
}

// The new program reads old messages: there are some in the queue when it
// starts. What is new in version 2 is absent, and Email falls back to the field
// that version 1 had.
func TestOldWriterNewReader(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, c Codec) {
		want := plain(5)
		got, err := Read(c, encoded(t, c, want, 1), 2)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, want)
		if got.Contact != nil || got.Email() != want.UserEmail {
			t.Errorf("contact %v, e-mail %q", got.Contact, got.Email())
		}
	})
}

// The old program reads new messages, with all four changes in them: a field
// added (contact), one deprecated (user_email, still written), an enum value
// (app) and a member of the oneof (wallet) that it has never heard of.
func TestNewWriterOldReader(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, c Codec) {
		written := sample(5)
		got, err := Read(c, encoded(t, c, written, 2), 1)
		if err != nil {
			t.Fatal(err)
		}
		if got.Email() != written.UserEmail || len(got.Items) != 5 ||
			got.OrderNumber != written.OrderNumber {
			t.Errorf("what both know is wrong: %+v", got)
		}
		if got.Payment != (Payment{}) {
			t.Errorf("an unknown way of payment became %+v", got.Payment)
		}
		// The value must not turn into one that means something else.
		want := App
		if c == Protobuf {
			want = "channel-3"
		}
		if got.Channel != want {
			t.Errorf("an unknown channel became %q, want %q", got.Channel, want)
		}
	})
}

// Each change by itself, as a table: what a reader has of it, by who wrote and who
// reads. Old and old is what old and new must still be.
func TestEachChangeInEveryPairing(t *testing.T) {
	t.Parallel()
	changed := plain(1)
	for name, c := range map[string]struct {
		change func(*OrderPlaced)
		view   func(OrderPlaced) any
		old    any // what every reader has of an old message
		newOld any // what an old reader has of a new message
		newNew any
	}{
		"field added": {
			func(e *OrderPlaced) { e.Contact = &Contact{Email: "new@example.com"} },
			func(e OrderPlaced) any { return e.Email() },
			changed.UserEmail, changed.UserEmail, "new@example.com"},
		"field deprecated, and still written": {
			func(e *OrderPlaced) { e.Contact = &Contact{Email: e.UserEmail} },
			func(e OrderPlaced) any { return e.UserEmail },
			changed.UserEmail, changed.UserEmail, changed.UserEmail},
		"enum value added": {
			func(e *OrderPlaced) { e.Channel = App },
			// App to a reader of JSON, its number to one of Protobuf: not Phone, not Web.
			func(e OrderPlaced) any { return []bool{e.Channel == Phone, e.Channel == Web} },
			[]bool{true, false}, []bool{false, false}, []bool{false, false}},
		"oneof grown": {
			func(e *OrderPlaced) { e.Payment = Payment{Wallet: &Wallet{"PayFriend"}} },
			func(e OrderPlaced) any { return e.Payment },
			changed.Payment, Payment{}, Payment{Wallet: &Wallet{"PayFriend"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forEach(t, func(t *testing.T, codec Codec) {
				after := plain(1)
				c.change(&after)
				for _, p := range []struct {
					event          OrderPlaced
					writer, reader int
					want           any
				}{
					{plain(1), 1, 1, c.old}, {plain(1), 1, 2, c.old},
					{after, 2, 1, c.newOld}, {after, 2, 2, c.newNew},
				} {
					got, err := Read(codec, encoded(t, codec, p.event, p.writer), p.reader)
					if err != nil || !reflect.DeepEqual(c.view(got), p.want) {
						t.Errorf("written by %d, read by %d: %v, %v; want %v",
							p.writer, p.reader, c.view(got), err, p.want)
					}
				}
			})
		})
	}
}

// A new writer that drops the deprecated field breaks the old reader, loudly:
// expand first, contract when the last old reader is gone.
func TestDeprecatedFieldDroppedTooEarly(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, c Codec) {
		e := sample(1)
		e.UserEmail = ""
		body := encoded(t, c, e, 2)
		if _, err := Read(c, body, 2); err != nil {
			t.Errorf("the new reader does not need it: %v", err)
		}
		if _, err := Read(c, body, 1); err == nil {
			t.Error("the old reader has an order without a customer, and says nothing")
		}
	})
}

const corrected = "zoe@example.org"

// What becomes of the fields of version 2 when a program of version 1 reads an
// event, changes a field of its own and writes it back.

func TestUnknownFieldsSurviveInProtobuf(t *testing.T) {
	t.Parallel()
	want := sample(5)
	body, err := CorrectEmailProtobuf(encoded(t, Protobuf, want, 2), corrected)
	survives(t, Protobuf, body, err, want)
}

// The enum value survives, too: in proto3 enums are open.
func TestProtobufKeepsBytesOfUnknownFields(t *testing.T) {
	t.Parallel()
	var old orderv1.OrderPlaced
	if err := proto.Unmarshal(encoded(t, Protobuf, sample(1), 2), &old); err != nil {
		t.Fatal(err)
	}
	if len(old.ProtoReflect().GetUnknown()) == 0 || old.GetPayment() != nil {
		t.Errorf("payment %v, unknown %x", old.GetPayment(), old.ProtoReflect().GetUnknown())
	}
	if old.GetChannel() != orderv1.Channel(orderv2.Channel_CHANNEL_APP) {
		t.Errorf("channel %v", old.GetChannel())
	}
}

func TestUnknownFieldsSurviveInJSONIfItIsAskedFor(t *testing.T) {
	t.Parallel()
	want := sample(5)
	body, err := CorrectEmailCarefully(encoded(t, JSON, want, 2), corrected)
	survives(t, JSON, body, err, want)
}

func survives(t *testing.T, c Codec, body []byte, err error, want OrderPlaced) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(c, body, 2)
	if err != nil {
		t.Fatal(err)
	}
	want.UserEmail = corrected
	same(t, got, want)
}

func TestUnknownFieldsAreLostInJSONOtherwise(t *testing.T) {
	t.Parallel()
	body, err := CorrectEmailJSON(encoded(t, JSON, sample(5), 2), corrected)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(JSON, body, 2)
	if err != nil {
		t.Fatal(err)
	}
	if got.Contact != nil || got.Payment.Wallet != nil {
		t.Errorf("contact %v, wallet %v", got.Contact, got.Payment.Wallet)
	}
}
