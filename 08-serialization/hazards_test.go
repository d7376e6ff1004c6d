package serialization

import (
	"strings"
	"testing"
)

// JSON that libraries do not agree on. Where one program checks a message and
// another one acts on it, every disagreement is a way past the check.

func withMember(t *testing.T, member string) []byte {
	t.Helper()
	body := string(encoded(t, JSON, plain(1), 1))
	return []byte(strings.TrimSuffix(body, "}") + "," + member + "}")
}

// RFC 8259 leaves open what two equal names mean. encoding/json takes the last.
func TestTwoEqualNames(t *testing.T) {
	t.Parallel()
	body := withMember(t, `"user_email":"mallory@example.com"`)
	for _, c := range []struct {
		name  string
		codec Codec
		takes string
	}{
		{"json", JSON, "mallory@example.com"},
		{"go-json", GoJSON, "mallory@example.com"},
		{"json-v2", JSONv2, ""}, // refuses
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, err := Read(c.codec, body, Current)
			if (err != nil) != (c.takes == "") || e.UserEmail != c.takes {
				t.Errorf("e-mail %q, error %v", e.UserEmail, err)
			}
		})
	}
}

// encoding/json takes USER_EMAIL for user_email, too, also after the right one.
// To a gateway that looks at user_email this is a message from Zoë.
func TestNamesInAnotherCase(t *testing.T) {
	t.Parallel()
	body := withMember(t, `"USER_EMAIL":"mallory@example.com"`)
	for _, c := range []struct {
		name  string
		codec Codec
		takes string
	}{
		{"json", JSON, "mallory@example.com"},
		{"go-json", GoJSON, "mallory@example.com"},
		{"json-v2", JSONv2, "zoë@example.com"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, err := Read(c.codec, body, Current)
			if err != nil || e.UserEmail != c.takes {
				t.Errorf("e-mail %q, error %v", e.UserEmail, err)
			}
		})
	}
}

// encoding/json replaces what is not UTF-8. The check in front refuses it.
func TestNotUTF8(t *testing.T) {
	t.Parallel()
	body := encoded(t, JSON, plain(1), 1)
	body = []byte(strings.Replace(string(body), "zoë", "zo\xeb", 1)) // Latin-1
	e, err := JSON.Decode(body, 1)
	if err != nil || e.UserEmail != "zo\ufffd@example.com" {
		t.Errorf("bare encoding/json: %q, %v", e.UserEmail, err)
	}
	if _, err := JSONv2.Decode(body, 1); err == nil {
		t.Error("json-v2 takes it")
	}
	for _, c := range []Codec{JSON, JSONv2, GoJSON} {
		if _, err := Read(c, body, 1); err == nil {
			t.Error("Read takes it")
		}
	}
}

// Of a number that has no quotes, a struct's int64 keeps every digit, and a map
// of any does not.
func TestQuotesAroundLargeNumbers(t *testing.T) {
	t.Parallel()
	for version := Oldest; version <= Current; version++ {
		body := encoded(t, JSON, plain(1), version)
		if !strings.Contains(string(body), `"order_number":"7413871240642707457"`) {
			t.Errorf("version %d: the order number has no quotes: %s", version, body)
		}
	}
}
