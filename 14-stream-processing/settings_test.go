package streams

import (
	"errors"
	"strings"
	"testing"
	"time"

	"course.example/shop"
)

func TestSettingsThatCannotWork(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Settings){
		"NATS_URL: want nats://":            func(s *Settings) { s.NATSURL = "localhost" },
		"DATABASE_URL: want postgres://":    func(s *Settings) { s.DatabaseURL = "postgres://u:geheim@:x" },
		`variant "fast" is unknown`:         func(s *Settings) { s.Variant = "fast" },
		"partitions must be 1 to 256, is 0": func(s *Settings) { s.Partitions = 0 },
		"replicas must be 1 to 5, is 7":     func(s *Settings) { s.Replicas = 7 },
		"sliding must be 2 or more":         func(s *Settings) { s.Sliding = 1 },
		"window must be 10ms to 24h":        func(s *Settings) { s.Window = time.Millisecond },
		"slack must be 0s to 24h":           func(s *Settings) { s.Slack = -1 },
		"max-bytes must be 1024 or more":    func(s *Settings) { s.MaxBytes = 0 },
		"pay-within must be 0s to 24h":      func(s *Settings) { s.PayWithin = -1 },
		"name and group must not be empty":  func(s *Settings) { s.Group = "" },
	} {
		s := DefaultSettings()
		change(&s)
		err := s.Validate()
		if usage := new(shop.UsageError); !errors.As(err, &usage) || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "geheim") {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	s := DefaultSettings()
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
}

// The path of the address begins the names of streams, and is nothing that a server is told.
func TestPlaceOnASharedServer(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	s.NATSURL = "nats://a:1/mine-7, nats://u:p@b:2/mine-8"
	if got := s.servers(); got != "nats://a:1,nats://u:p@b:2" || s.prefix() != "mine-7-" {
		t.Errorf("servers %q, prefix %q", got, s.prefix())
	}
	if got := rotated("a,b,c", "producer"); got != "c,a,b" { // lab.yaml relies on it
		t.Errorf("the producer begins with %s", got)
	}
	if s = DefaultSettings(); s.prefix() != "" || s.servers() != s.NATSURL {
		t.Errorf("servers %q, prefix %q", s.servers(), s.prefix())
	}
}

// One customer of the lab becomes a crowd, the same for the same order; others stay who they are.
func TestACrowd(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	s.Offline = time.Hour
	customers, late := map[string]bool{}, 0
	for range 1000 {
		order, err := shop.NewOrder(shop.SampleEmail, shop.SampleItems()...)
		if err != nil {
			t.Fatal(err)
		}
		made := s.vary(order)
		if made.UserEmail != s.vary(order).UserEmail || order.UserEmail != shop.SampleEmail ||
			order.Items[0] != shop.SampleItems()[0] || made.Validate() != nil {
			t.Fatalf("%+v became %+v", order, made)
		}
		customers[made.UserEmail] = true
		if made.PlacedAt.Before(order.PlacedAt) {
			late++
		}
	}
	if len(customers) < 90 || late < 50 || late > 200 {
		t.Errorf("%d customers, %d orders are late", len(customers), late)
	}
	own, err := shop.NewOrder("grace@example.com", shop.SampleItems()...)
	if err != nil {
		t.Fatal(err)
	}
	if made := s.vary(own); made.UserEmail != own.UserEmail || !made.PlacedAt.Equal(own.PlacedAt) {
		t.Errorf("%+v became %+v", own, made)
	}
}
