package serialization

import (
	"fmt"
	"os"
	"strings"
	"time"

	"course.example/shop"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Settings is what can be set from outside. Start from [DefaultSettings].
type Settings struct {
	URL     string // of the broker, with user and password
	Variant string // "" is the right one, see wrong.go
	Codec   string // what the producer writes; what the consumer reads, by comma
	Schema  int    // the version of the schema that this program was built with

	Addr string // where the producer serves HTTP
	Node int    // of the order numbers: no two producers may have the same

	Work     time.Duration // how long the work for an order takes
	Prefetch int           // unacknowledged orders the broker pushes to one consumer
}

// DefaultSettings fit the broker of the compose file.
func DefaultSettings() Settings {
	return Settings{
		URL:    "amqp://guest:guest@127.0.0.1:5672/",
		Codec:  "json",
		Schema: Current,
		Addr:   "127.0.0.1:8080",
		// Two processes of one machine that start together differ in this.
		Node:     os.Getpid() % nodes,
		Work:     20 * time.Millisecond,
		Prefetch: 10,
	}
}

// Flags returns the flags that every program of this step has. They set s.
func (s *Settings) Flags(program string) *shop.Flags {
	f := shop.NewFlags(program)
	f.StringVar(&s.URL, "amqp-url", s.URL, "the broker, with user and password")
	f.Env("amqp-url", "AMQP_URL")
	f.StringVar(&s.Variant, "variant", s.Variant,
		"what to do wrong: "+variantNames()+"; empty for the right way")
	f.Env("variant", "VARIANT")
	f.StringVar(&s.Codec, "codec", s.Codec,
		"the format: json, json-v2, go-json, protobuf, msgpack, cbor, gob")
	f.Env("codec", "CODEC")
	f.IntVar(&s.Schema, "schema", s.Schema, "be a program of this schema version: 1 or 2")
	f.Env("schema", "SCHEMA")
	return f
}

// ProducerSettings reads the producer's command line and environment.
func ProducerSettings(args []string) (Settings, error) {
	s := DefaultSettings()
	f := s.Flags("producer")
	f.StringVar(&s.Addr, "addr", s.Addr, "where to serve HTTP")
	f.Env("addr", "ADDR")
	f.IntVar(&s.Node, "node", s.Node, "in the order numbers; unique among producers")
	f.Env("node", "NODE")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	return s, s.Validate()
}

// ConsumerSettings reads the consumer's command line and environment. A consumer
// reads several codecs if they are given with commas between them.
func ConsumerSettings(args []string) (Settings, error) {
	s := DefaultSettings()
	s.Codec = "json,protobuf"
	f := s.Flags("consumer")
	f.DurationVar(&s.Work, "work", s.Work, "how long the work for one order takes")
	f.Env("work", "WORK")
	f.IntVar(&s.Prefetch, "prefetch", s.Prefetch, "unacknowledged orders at a time")
	f.Env("prefetch", "PREFETCH")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	return s, s.Validate()
}

// Validate returns a [*shop.UsageError] for the first setting that cannot work.
func (s Settings) Validate() error {
	if _, err := amqp.ParseURI(s.URL); err != nil {
		return usagef("AMQP_URL is not an AMQP address: %v; "+
			"want amqp://user:password@host:port/vhost", withoutPassword(err))
	}
	if _, known := variants[s.Variant]; !known {
		return usagef("variant %q is unknown; there are: %s", s.Variant, variantNames())
	}
	if _, err := s.codecs(); err != nil {
		return err
	}
	switch {
	case s.Schema < Oldest || s.Schema > Current:
		return usagef("schema must be %d to %d, is %d", Oldest, Current, s.Schema)
	case s.Node < 0 || s.Node >= nodes:
		return usagef("node must be 0 to %d, is %d", nodes-1, s.Node)
	case s.Work < 0:
		return usagef("work must not be negative, is %s", s.Work)
	case s.Prefetch < 1 || s.Prefetch > 65535:
		return usagef("prefetch must be 1 to 65535, is %d", s.Prefetch)
	}
	return nil
}

func (s Settings) codecs() ([]Codec, error) {
	var codecs []Codec
	for name := range strings.SplitSeq(s.Codec, ",") {
		codec, err := FindCodec(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		codecs = append(codecs, codec)
	}
	return codecs, nil
}

// writer is what the producer writes with: the first codec, unless the variant
// brings a wrong one.
func (s Settings) writer() (Writer, error) {
	codecs, err := s.codecs()
	if err != nil {
		return Writer{}, err
	}
	if len(codecs) > 1 {
		return Writer{}, usagef("codec %q: a producer writes one", s.Codec)
	}
	w := Writer{Codec: codecs[0], Version: s.Schema}
	if wrong := variants[s.Variant].writes; wrong != nil {
		w.Codec = wrong
	}
	return w, nil
}

func (s Settings) reader() (Reader, error) {
	codecs, err := s.codecs()
	if err != nil {
		return Reader{}, err
	}
	wrong := variants[s.Variant]
	if wrong.reads != nil {
		codecs = []Codec{wrong.reads}
	}
	return Reader{Codecs: codecs, Version: s.Schema, trust: wrong.trusts}, nil
}

func usagef(format string, args ...any) error {
	return &shop.UsageError{Problem: fmt.Sprintf(format, args...)}
}
