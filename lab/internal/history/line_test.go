package history

import (
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/ledger"
)

func TestParseLine(t *testing.T) {
	t.Parallel()
	l := ParseLine("consumer-1", []byte(`{"time":"2026-01-02T03:04:05.6Z","level":"INFO",`+
		`"msg":"order received","order":"o1","attempt":2,"nested":{"a":[1]},"ok":true}`+"\r"))
	if l.Level != "INFO" || l.Text != "order received" || l.Time.Nanosecond() != 600_000_000 {
		t.Errorf("got %+v", l)
	}
	if l.Attr("nested") != `{"a":[1]}` || l.Attr("ok") != "true" || l.Attrs[0].Key != "order" {
		t.Errorf("attributes: %+v", l.Attrs)
	}
	e, ok := l.Event()
	want := ledger.Event{
		Time: l.Time, Kind: ledger.Received, Order: "o1", Process: "consumer-1", Attempt: 2,
	}
	if !ok || e != want {
		t.Errorf("event: %+v, %v", e, ok)
	}
}

func TestARecordNamesItsEffect(t *testing.T) {
	t.Parallel()
	e, ok := ParseLine("consumer-1", []byte(`{"level":"INFO","msg":"order processed",`+
		`"order":"o1","effect":"741"}`)).Event()
	if !ok || e.Kind != ledger.Processed || e.Effect != "741" {
		t.Errorf("event: %+v, %v", e, ok)
	}
}

func TestLinesThatAreNoRecord(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"", "panic: oh", "{", "{}", `{"msg":1`, `{"time":"x"}`, `["msg","order accepted"]`,
		"{\"msg\":\"order accepted\",\"order\":\"o1\"", "bad \xff bytes",
	} {
		l := ParseLine("p", []byte(raw))
		if l.Level != "" || l.Attrs != nil {
			t.Errorf("%q was taken for a record: %+v", raw, l)
		}
		if want := strings.ToValidUTF8(raw, "?"); l.Text != want {
			t.Errorf("%q became %q", raw, l.Text)
		}
		if e, ok := l.Event(); ok {
			t.Errorf("%q is no event: %+v", raw, e)
		}
	}
}

// A message without an order says nothing of any order, and neither does a
// message that only resembles one.
func TestRecordsThatAreNoEvent(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		`{"level":"INFO","msg":"order accepted"}`,
		`{"level":"INFO","msg":"order not accepted","order":"o1"}`,
		`{"level":"INFO","msg":"Order accepted","order":"o1"}`,
	} {
		if e, ok := ParseLine("p", []byte(raw)).Event(); ok {
			t.Errorf("%s gave %+v", raw, e)
		}
	}
}

func TestTimeOfARecordWithoutOne(t *testing.T) {
	t.Parallel()
	l := ParseLine("p", []byte(`{"level":"INFO","msg":"x"}`))
	if age := time.Since(l.Time); age < 0 || age > time.Minute {
		t.Errorf("a record without a time is %v old", age)
	}
}
