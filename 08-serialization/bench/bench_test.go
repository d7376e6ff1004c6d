package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

const output = `goos: linux
BenchmarkCodec/order=small/codec=json/encode-2 	 1000	 1000 ns/op	 300 bytes/order	 400 B/op	 5 allocs/op
BenchmarkCodec/order=small/codec=json/decode-2 	 1000	 4000 ns/op	 300 bytes/order	 400 B/op	 9 allocs/op
BenchmarkCodec/order=small/codec=protobuf/encode-2 	 1000	 500 ns/op	 100 bytes/order	 400 B/op	 2 allocs/op
BenchmarkCodec/order=small/codec=protobuf/decode-2 	 1000	 800 ns/op	 100 bytes/order	 400 B/op	 3 allocs/op
`

func threeSizes() string {
	return output + strings.ReplaceAll(output, "small", "typical") +
		strings.ReplaceAll(output, "small", "large")
}

func TestTableAndPicture(t *testing.T) {
	t.Parallel()
	// The same again, twice as slow: the fastest of several runs counts.
	slower := strings.ReplaceAll(threeSizes(), "00 ns/op", "000 ns/op")
	r, err := parse(strings.NewReader(threeSizes() + slower))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	table(&b, r)
	const want = "| Protobuf | 500 | 2.0 | 2 | 800 | 5.0 | 3 | 100 | 0.33 |"
	if n := strings.Count(b.String(), want); n != 3 {
		t.Errorf("%q stands %d times in\n%s", want, n, &b)
	}
	svg := xml.NewDecoder(bytes.NewReader(draw(r)))
	for {
		if _, err := svg.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestOutputWithoutTheReferenceIsAnError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "FAIL", output} {
		if _, err := parse(strings.NewReader(text)); err == nil {
			t.Errorf("took %q", text)
		}
	}
}
