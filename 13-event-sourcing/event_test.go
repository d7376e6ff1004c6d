package eventsourcing

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"course.example/shop"
	"pgregory.net/rapid"
)

// Bodies as they were written by every version that there was. They are in the log for good,
// so they stay here for good.
var written = map[Kind]string{
	{"order-placed", 1}: `{"email":"ada@example.com","items":[{"sku":"MUG-CHAN","quantity":2,"price_cents":1250}],"placed_at":"2026-11-28T10:00:00Z"}`,
	{"order-placed", 2}: `{"user_email":"ada@example.com","items":[{"sku":"MUG-CHAN","quantity":2,"price_cents":1250}],"placed_at":"2026-11-28T10:00:00Z"}`,
	{"order-placed", 3}: `{"user_email":"ada@example.com","currency":"EUR","items":[{"sku":"MUG-CHAN","quantity":2,"price_cents":1250}],"placed_at":"2026-11-28T10:00:00Z"}`,
	{"order-placed", 4}: `{"currency":"EUR","items":[{"sku":"MUG-CHAN","quantity":2,"price_cents":1250}],"placed_at":"2026-11-28T10:00:00Z",` +
		`"personal":{"customer":"5e0e8a0c-1b7e-4a0f-9a53-0f6f5a1f3c11","text":"c2VhbGVk"}}`,
	{"items-added", 1}:     `{"items":[{"sku":"MUG-CHAN","quantity":1,"price_cents":1250}]}`,
	{"order-cancelled", 1}: `{"reason":"no","items":[{"sku":"MUG-CHAN","quantity":2,"price_cents":1250}]}`,
	{"order-cancelled", 2}: `{"items":[{"sku":"MUG-CHAN","quantity":2,"price_cents":1250}],` +
		`"personal":{"customer":"5e0e8a0c-1b7e-4a0f-9a53-0f6f5a1f3c11","text":"c2VhbGVk"}}`,
}

func TestEveryVersionThereWasIsReadAsTheNewest(t *testing.T) {
	t.Parallel()
	for name, now := range newest {
		newestBody := written[Kind{name, now.schema}]
		want, err := decode(Kind{name, now.schema}, []byte(newestBody))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for schema := 1; schema <= now.schema; schema++ {
			kind := Kind{name, schema}
			got, err := decode(kind, []byte(written[kind]))
			if err != nil || !reflect.DeepEqual(anonymous(got), anonymous(want)) {
				t.Errorf("%s is read as %+v, %v; want %+v", kind, got, err, want)
			}
			if old, ok := got.(private); ok && old.clear() != clearIn[kind] {
				t.Errorf("%s says %q in the clear, want %q", kind, old.clear(), clearIn[kind])
			}
		}
	}
}

// clearIn is what is personal, and not sealed, in the old bodies.
var clearIn = map[Kind]string{
	{"order-placed", 1}: "ada@example.com", {"order-placed", 2}: "ada@example.com",
	{"order-placed", 3}: "ada@example.com", {"order-cancelled", 1}: "no",
}

// anonymous is an event without what is personal, which is sealed in new ones.
func anonymous(e Event) Event {
	if said, ok := e.(private); ok {
		return said.with(Sealed{})
	}
	return e
}

func TestEveryChainOfUpcastersEndsAtTheNewestVersion(t *testing.T) {
	t.Parallel()
	for from := range upcasters {
		if from.Schema >= newest[from.Name].schema {
			t.Errorf("%s is brought up, and the newest is v%d", from, newest[from.Name].schema)
		}
	}
	for name, now := range newest {
		for schema := 1; schema < now.schema; schema++ {
			if upcasters[Kind{name, schema}] == nil {
				t.Errorf("the chain of %s breaks at v%d", name, schema)
			}
		}
	}
}

// Any good order, written as any version, is the same order when it is read.
func TestUpcastingLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		place := PlaceOrder{shop.Order{UserEmail: shop.SampleEmail, Items: someItems(t)}}
		events, err := Order{}.Decide(place)
		if err != nil {
			t.Fatal(err)
		}
		schema := rapid.IntRange(2, 4).Draw(t, "schema")
		kind, body, err := encode(events[0], schema)
		if err != nil || kind.Schema != schema {
			t.Fatalf("%s: %v", kind, err)
		}
		got, err := decode(kind, body)
		if err != nil || !reflect.DeepEqual(got, events[0]) {
			t.Fatalf("%s was read as %+v, %v; want %+v", body, got, err, events[0])
		}
	})
}

func TestWhatCannotBeReadIsAnErrorThatSaysWhy(t *testing.T) {
	t.Parallel()
	good := written[Kind{"order-placed", 4}]
	seal := good[strings.Index(good, `"personal"`):]
	for name, c := range map[string]struct {
		kind Kind
		body string
		says string
	}{
		"another event":   {Kind{"order-danced", 1}, good, "unknown"},
		"a later version": {Kind{"order-placed", 5}, good, "deploy the readers"},
		"version 0":       {Kind{"order-placed", 0}, good, "unknown"},
		"no object":       {Kind{"order-placed", 4}, `"hello"`, "unmarshal"},
		"null":            {Kind{"order-placed", 4}, `null`, "currency"},
		"null, old":       {Kind{"order-placed", 2}, `null`, "no JSON object"},
		"nothing":         {Kind{"order-placed", 4}, ``, "EOF"},
		"two bodies":      {Kind{"order-placed", 4}, good + good, "after top-level value"},
		"a member twice":  {Kind{"items-added", 1}, `{"items":[],"items":[]}`, "duplicate"},
		"in capitals":     {Kind{"items-added", 1}, `{"ITEMS":[]}`, "ITEMS"},
		"in the clear, too": {Kind{"order-cancelled", 2},
			`{"reason":"no","items":[{"sku":"A","quantity":1,"price_cents":1}],` + seal, "in the clear"},
		"half a seal": {Kind{"order-placed", 4}, strings.ReplaceAll(good, "c2VhbGVk", ""),
			"must have a customer and a text"},
		"an unknown field": {Kind{"items-added", 1}, `{"items":[],"gift":true}`, "gift"},
		"no e-mail":        {Kind{"order-placed", 1}, `{"items":[]}`, "email"},
		"no currency":      {Kind{"order-placed", 3}, written[Kind{"order-placed", 2}], "currency"},
		"no items":         {Kind{"items-added", 1}, `{"items":[]}`, "items"},
		"a negative number": {Kind{"items-added", 1},
			`{"items":[{"sku":"A","quantity":-1,"price_cents":1}]}`, "quantity"},
	} {
		_, err := decode(c.kind, []byte(c.body))
		if !errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want an error that says %q", name, err, c.says)
		}
	}
}

// Whatever a stranger has written into the log: it is an event that is valid, or an error
// whose reason can be stored and read.
func FuzzDecode(f *testing.F) {
	for kind, body := range written {
		f.Add(kind.Name, kind.Schema, body)
		f.Add(kind.Name, 1, strings.ReplaceAll(body, `"MUG-CHAN"`, `"\u0000"`))
	}
	f.Add("order-placed", 2, `null`)
	f.Add("order-placed\x00", 1, strings.Repeat("[", 20_000))
	f.Fuzz(func(t *testing.T, name string, schema int, body string) {
		event, err := decode(Kind{name, schema}, []byte(body))
		if err != nil {
			if why := reason(err); !errors.Is(err, ErrUnreadable) || len(why) > shop.MaxReason ||
				!utf8.ValidString(why) || strings.ContainsRune(why, 0) {
				t.Fatalf("the reason is %q", why)
			}
			return
		}
		if err := event.validate(); err != nil {
			t.Fatalf("an event that is not valid was read: %v", err)
		}
		again, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := decode(event.Kind(), again); err != nil || !reflect.DeepEqual(same, event) {
			t.Fatalf("%+v was read again as %+v, %v", event, same, err)
		}
	})
}
