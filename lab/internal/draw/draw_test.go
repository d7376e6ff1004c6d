package draw

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/history"
	"course.example/lab/internal/ledger"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }

func aRun() history.Run {
	h := history.Run{
		Started: start, Ended: at(3000),
		Lives: []history.Life{
			{Process: "producer", From: at(0), To: at(3000)},
			{Process: "consumer-1", From: at(1), To: at(1000), End: "signal: killed"},
			{Process: "consumer-1", From: at(1500), To: at(3000)},
		},
		Marks: []history.Mark{
			{Time: at(1000), Act: "kill consumer-1", Fault: true},
			{Time: at(1500), Act: "start consumer-1"},
		},
		Refused: []time.Time{at(1200)},
	}
	event := func(ms int, kind ledger.Kind, order, process string) {
		h.Events = append(h.Events,
			ledger.Event{Time: at(ms), Kind: kind, Order: order, Process: process})
	}
	event(100, ledger.Accepted, "a", "producer")
	event(110, ledger.Processed, "a", "consumer-1")
	event(1600, ledger.Processed, "a", "consumer-1")
	event(200, ledger.Accepted, "lost", "producer")
	event(300, ledger.Accepted, "bad <&>", "producer")
	event(400, ledger.Failed, "bad <&>", "consumer-1")
	return h
}

func draw(t *testing.T, h history.Run) string {
	t.Helper()
	var b bytes.Buffer
	if err := Run(&b, h, "kill & <start>", []string{"accepted 3", "lost 1"}); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(b.Bytes())); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, b.String())
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	svg := draw(t, aRun())
	for _, want := range []string{
		`class="accepted"`, `class="processed"`, `class="duplicated"`, `class="failed"`,
		`class="lost"`, `class="refused"`, `class="backlog"`, `class="fault"`, `class="mend"`,
		"kill consumer-1", "kill &amp; &lt;start&gt;", "consumer-1</text>", "lost 1",
		"prefers-color-scheme:dark",
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture has no %s", want)
		}
	}
	marks, err := Marks([]byte(draw(t, history.Run{Started: start})))
	if err != nil || len(marks) != 0 {
		t.Errorf("an empty run has the marks %v, %v", marks, err)
	}
}

func TestPictureIsBounded(t *testing.T) {
	t.Parallel()
	h := aRun()
	for i := range 30_000 {
		order := fmt.Sprint(i)
		in := ledger.Event{
			Time: at(i / 100), Kind: ledger.Accepted, Order: order, Process: "producer",
		}
		out := ledger.Event{
			Time: at(i/100 + 5), Kind: ledger.Processed, Order: order, Process: "consumer-1",
		}
		h.Events = append(h.Events, in, out)
	}
	if svg := draw(t, h); len(svg) > 300_000 {
		t.Errorf("a run of 30,000 orders is a picture of %d bytes", len(svg))
	}
}

func TestTheSameRunIsTheSamePicture(t *testing.T) {
	t.Parallel()
	first, second := draw(t, aRun()), draw(t, aRun())
	if first != second {
		t.Error("two drawings of one run differ")
	}
}
