package serialization

import (
	"strings"
	"testing"
)

// Each of these asserts that the wrong variant fails in just the way its comment
// says, and what would have caught it.

func pair(t *testing.T, variant string) (Writer, Reader) {
	t.Helper()
	s := DefaultSettings()
	s.Variant = variant
	w, err := s.writer()
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.reader()
	if err != nil {
		t.Fatal(err)
	}
	return w, r
}

func sent(t *testing.T, w Writer, r Reader, e OrderPlaced) (OrderPlaced, error) {
	t.Helper()
	m, err := w.Write(e)
	if err != nil {
		t.Fatal(err)
	}
	return r.Read(delivered(m))
}

func TestWrongRenamedFieldIsSilentlyEmpty(t *testing.T) {
	t.Parallel()
	w, r := pair(t, "renamed-json-field")
	e, err := sent(t, w, r, sample(2))
	if err != nil || e.OrderID != "" || len(e.Items) != 2 {
		t.Errorf("order id %q, error %v", e.OrderID, err)
	}
	// What validates is not silent.
	_, right := pair(t, "right")
	if _, err := sent(t, w, right, sample(2)); err == nil ||
		!strings.Contains(err.Error(), "order_id: is missing") {
		t.Errorf("the right reader says %v", err)
	}
}

func TestWrongReusedNumberIsGarbageThatDecodes(t *testing.T) {
	t.Parallel()
	w, r := pair(t, "reused-field-number")
	want := sample(2)
	for _, version := range []int{1, 2} {
		r.Version = version
		e, err := sent(t, w, r, want)
		if err != nil {
			t.Fatalf("a reader of version %d noticed: %v", version, err)
		}
		if e.OrderID == want.OrderID || len(e.OrderID) != len(want.OrderID) {
			t.Errorf("order id %q", e.OrderID)
		}
	}
}

func TestWrongFloat64MakesOneNumberOfMany(t *testing.T) {
	t.Parallel()
	w, r := pair(t, "int-overflow")
	first, second := sample(1), sample(1)
	second.OrderNumber -= 2
	a, err := sent(t, w, r, first)
	if err != nil {
		t.Fatal(err)
	}
	b, err := sent(t, w, r, second)
	if err != nil {
		t.Fatal(err)
	}
	if a.OrderNumber != b.OrderNumber || a.OrderNumber == first.OrderNumber {
		t.Errorf("%d became %d, and %d became %d",
			first.OrderNumber, a.OrderNumber, second.OrderNumber, b.OrderNumber)
	}
	// Quotes keep every digit, even from a reader of this kind.
	right, _ := pair(t, "right")
	if e, err := sent(t, right, Reader{Codecs: []Codec{JSON}, Version: 2}, first); err != nil ||
		e.OrderNumber != first.OrderNumber {
		t.Errorf("%d, %v", e.OrderNumber, err)
	}
}
