package serialization

import (
	"errors"
	"strings"
	"testing"

	"course.example/shop"
)

func TestMistakesInSettingsAreUsageErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ arg, says string }{
		"no address":      {"-amqp-url=broker", "amqp://user:password@host:port/vhost"},
		"unknown variant": {"-variant=sloppy", "int-overflow, renamed-json-field"},
		"unknown codec":   {"-codec=xml", "json, json-v2, go-json, protobuf"},
		"one unknown":     {"-codec=json,xml", `codec "xml"`},
		"unknown schema":  {"-schema=3", "schema must be 1 to 2"},
		"no prefetch":     {"-prefetch=0", "prefetch"},
		"negative work":   {"-work=-1s", "work"},
		"unknown flag":    {"-window=1", "-h lists the flags"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ConsumerSettings([]string{c.arg})
			usage := new(shop.UsageError)
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want a usage error that says %q", err, c.says)
			}
		})
	}
}

func TestProducerWritesOneCodec(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"-codec=json,cbor", "-node=1024"} {
		s, err := ProducerSettings([]string{arg})
		if err == nil {
			_, err = NewPublisher(s)
		}
		if usage := new(shop.UsageError); !errors.As(err, &usage) {
			t.Errorf("%s: error %v", arg, err)
		}
	}
}

func TestErrorsDoNotShowThePassword(t *testing.T) {
	t.Parallel()
	_, err := ProducerSettings([]string{"-amqp-url=amqp://guest:hunter2@localhost:many/"})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}
