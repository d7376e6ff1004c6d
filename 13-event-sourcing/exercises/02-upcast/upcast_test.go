//go:build exercise

package upcast

import (
	"maps"
	"reflect"
	"testing"
)

func TestUpcast(t *testing.T) {
	want := map[string]any{"user_email": "ada@example.com", "price_cents": 1999,
		"currency": "EUR", "gift": true}
	for version, body := range map[int]map[string]any{
		1: {"email": "ada@example.com", "price": 19.99, "gift": true},
		2: {"user_email": "ada@example.com", "price_cents": 1999, "gift": true},
		3: want,
	} {
		before := maps.Clone(body)
		got, err := Upcast(version, body)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("version %d: %v, %v; want %v", version, got, err, want)
		}
		if !reflect.DeepEqual(body, before) {
			t.Errorf("version %d: the body that was given is now %v", version, body)
		}
	}
	for version, body := range map[int]map[string]any{
		0: want, 1: {"price": 1.0}, 2: {"price_cents": 1}, 4: want,
	} {
		if got, err := Upcast(version, body); err == nil {
			t.Errorf("version %d of %v became %v, want an error", version, body, got)
		}
	}
}
