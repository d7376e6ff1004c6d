package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/perf/benchfmt"
)

const reference = "json" // encoding/json, which the ratios are to

var (
	sizes  = []string{"small", "typical", "large"}
	labels = map[string]string{
		"json": "encoding/json", "json-v2": "json/v2", "go-json": "goccy/go-json",
		"protobuf": "Protobuf", "protobuf-bare": "Protobuf, bare",
		"msgpack": "MessagePack", "cbor": "CBOR", "gob": "gob",
	}
)

// figures is what was measured of one codec with one order.
type figures struct {
	encode, decode             float64 // ns
	encodeAllocs, decodeAllocs float64
	bytes                      float64
}

type results struct {
	codecs []string                      // in the order of the run
	of     map[string]map[string]figures // by size and codec
}

// parse reads what go test -bench prints.
func parse(output io.Reader) (results, error) {
	r := results{of: map[string]map[string]figures{}}
	reader := benchfmt.NewReader(output, "benchmark")
	for reader.Scan() {
		line, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		size, codec, way, ok := names(string(line.Name.Full()))
		if !ok {
			continue
		}
		if r.of[size] == nil {
			r.of[size] = map[string]figures{}
		}
		f, seen := r.of[size][codec]
		if !seen && size == sizes[0] {
			r.codecs = append(r.codecs, codec)
		}
		value := func(unit string) float64 { v, _ := line.Value(unit); return v }
		f.bytes = value("bytes/order")
		if way == "encode" {
			f.encode = fastest(f.encode, value("sec/op")*1e9)
			f.encodeAllocs = value("allocs/op")
		} else {
			f.decode = fastest(f.decode, value("sec/op")*1e9)
			f.decodeAllocs = value("allocs/op")
		}
		r.of[size][codec] = f
	}
	if err := reader.Err(); err != nil {
		return r, fmt.Errorf("read the benchmark's output: %w", err)
	}
	for _, size := range sizes {
		if r.of[size][reference].encode == 0 {
			return r, errors.New("the output has no figures of BenchmarkCodec for " +
				reference + " with a " + size + " order")
		}
	}
	return r, nil
}

// fastest keeps the best of several runs: what else the machine does can only
// make a figure worse.
func fastest(before, now float64) float64 {
	if before == 0 {
		return now
	}
	return min(before, now)
}

// names takes Codec/order=small/codec=json/encode-2 apart.
func names(full string) (size, codec, way string, ok bool) {
	parts := strings.Split(full, "/")
	if len(parts) != 4 || parts[0] != "Codec" {
		return "", "", "", false
	}
	size, ok1 := strings.CutPrefix(parts[1], "order=")
	codec, ok2 := strings.CutPrefix(parts[2], "codec=")
	way, _, _ = strings.Cut(parts[3], "-")
	return size, codec, way, ok1 && ok2
}

// table writes the README's table, in Markdown. A ratio above 1 is faster, or
// smaller, than encoding/json.
func table(w io.Writer, r results) {
	for _, size := range sizes {
		ref := r.of[size][reference]
		fmt.Fprintf(w, "\n| %s order | encode ns | × | allocs | decode ns | × | allocs | "+
			"bytes | × |\n", size)
		fmt.Fprintln(w, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
		for _, codec := range r.codecs {
			f := r.of[size][codec]
			fmt.Fprintf(w, "| %s | %.0f | %.1f | %.0f | %.0f | %.1f | %.0f | %.0f | %.2f |\n",
				labels[codec], f.encode, ref.encode/f.encode, f.encodeAllocs,
				f.decode, ref.decode/f.decode, f.decodeAllocs, f.bytes, f.bytes/ref.bytes)
		}
	}
}
