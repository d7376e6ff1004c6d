//go:build exercise

package correct

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

const old, corrected = `"ada@example.con"`, `"ada@example.com"`

func TestEverythingElseComesBack(t *testing.T) {
	for _, c := range []struct{ name, rest string }{
		{"what it knows", `"order_id": "42", "items": [{"sku": "MUG", "quantity": 2}]`},
		{"a field", `"order_id": "42", "contact": {"email": "ada@example.com"}`},
		{"a field of an item", `"items": [{"sku": "MUG", "quantity": 2, "price_cents": 1250}]`},
		{"a number of 63 bits", `"order_number": 7413871240642707457`},
		{"a number of many digits", `"weight": 0.10000000000000000000001`},
		{"what is null, not absent", `"order_id": "42", "wallet": null`},
		{"another type", `"order_id": 42, "items": {"MUG": 2}`},
		{"signs", `"note": "1 < 2 & \"ë\""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			event := []byte(`{"user_email": ` + old + `, ` + c.rest + `}`)
			before := bytes.Clone(event)
			got, err := Email(event, strings.Trim(corrected, `"`))
			if err != nil {
				t.Fatal(err)
			}
			want := `{"user_email": ` + corrected + `, ` + c.rest + `}`
			if !reflect.DeepEqual(value(t, got), value(t, []byte(want))) {
				t.Errorf("%s came back as %s", want, got)
			}
			if !bytes.Equal(event, before) {
				t.Error("the bytes that were given have changed")
			}
		})
	}
}

func TestWhatIsNoEventIsAnError(t *testing.T) {
	for _, event := range []string{
		``, `null`, `[]`, `7`, `{"user_email": "ada@exam`, `{}`, `{"order_id": "42"}`,
		`{"USER_EMAIL": "ada@example.com"}`,
	} {
		t.Run(event, func(t *testing.T) {
			if got, err := Email([]byte(event), "ada@example.com"); err == nil {
				t.Errorf("it became %s, want an error", got)
			}
		})
	}
}

// value is what the bytes say, with every digit.
func value(t *testing.T, body []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return v
}
