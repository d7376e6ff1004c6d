package serialization

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	orderv2 "course.example/08-serialization/orderpb/v2"
	"course.example/lab/services/servicestest"
	"course.example/shop"
	"google.golang.org/protobuf/proto"
)

// sizes are the orders that are measured, by their number of items.
var sizes = []struct {
	name  string
	items int
}{{"small", 1}, {"typical", 5}, {"large", 200}}

// BenchmarkCodec measures the bare libraries, without the limits of [Read], from
// the event to the bytes and back. For Protobuf that includes the way between the
// generated types and the event, which the others do not have; protobuf-bare
// leaves it out, as a program that uses the generated types throughout does.
func BenchmarkCodec(b *testing.B) {
	for _, size := range sizes {
		event := sample(size.items)
		for _, c := range Codecs {
			body := encoded(b, c, event, Current)
			measure(b, size.name, c.Name, len(body),
				func() error { _, err := c.Encode(event, Current); return err },
				func() error { _, err := c.Decode(body, Current); return err })
		}
		message := toV2(event)
		body := encoded(b, Protobuf, event, Current)
		measure(b, size.name, "protobuf-bare", len(body),
			func() error { _, err := proto.Marshal(message); return err },
			func() error { return unmarshal(body, new(orderv2.OrderPlaced)) })
	}
}

func measure(b *testing.B, size, codec string, bytes int, encode, decode func() error) {
	for _, way := range []struct {
		name string
		do   func() error
	}{{"encode", encode}, {"decode", decode}} {
		b.Run(fmt.Sprintf("order=%s/codec=%s/%s", size, codec, way.name), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := way.do(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(bytes), "bytes/order")
		})
	}
}

// BenchmarkRead is what a consumer pays in full: limits, decoding, validation.
func BenchmarkRead(b *testing.B) {
	for _, c := range Codecs {
		b.Run("codec="+c.Name, func(b *testing.B) {
			body := encoded(b, c, sample(5), Current)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Read(c, body, Current); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// long is how long each side is measured. The broker's own rates are those of
// its last five seconds or so.
const long = 12 * time.Second

// BenchmarkBroker sends orders through the broker as JSON and as Protobuf, both
// in one run, and reports what the producer, the consumer and the broker count.
// Run it with -benchtime 1x: it has a time of its own.
func BenchmarkBroker(b *testing.B) {
	for _, size := range sizes {
		if size.name == "small" {
			continue
		}
		for _, name := range []string{"json", "protobuf"} {
			b.Run(fmt.Sprintf("order=%s/codec=%s", size.name, name), func(b *testing.B) {
				throughBroker(b, name, size.items)
			})
		}
	}
}

func throughBroker(b *testing.B, codec string, items int) {
	broker := servicestest.RabbitMQ(b)
	s := DefaultSettings()
	s.URL, s.Codec, s.Prefetch = broker.URL, codec, 1000
	p := startPublisher(b, s)
	order, err := shop.NewOrder(shop.SampleEmail)
	if err != nil {
		b.Fatal(err)
	}
	for _, it := range sample(items).Items {
		order.Items = append(order.Items,
			shop.Item{SKU: it.SKU, Quantity: int(it.Quantity), PriceCents: it.PriceCents})
	}
	var consumed atomic.Int64
	stopConsumer := startConsumer(b, s, func(context.Context, OrderPlaced) error {
		consumed.Add(1)
		return nil
	})

	var published atomic.Int64
	var customers sync.WaitGroup
	began := time.Now()
	for range 256 {
		customers.Go(func() {
			for time.Since(began) < long {
				if err := p.Publish(b.Context(), order); err != nil {
					b.Error(err)
					return
				}
				published.Add(1)
			}
		})
	}
	// While it goes on, the broker is asked for its rates.
	<-time.After(long - time.Second)
	seen := askBroker(b, broker)
	customers.Wait()
	took := time.Since(began).Seconds()
	n := float64(published.Load())
	eventually(b, "consumed", func() bool { return consumed.Load() == published.Load() })
	tookAll := time.Since(began).Seconds()
	// Its counts come late: what it has received is asked for when they are complete.
	body := len(encoded(b, codecOf(b, codec), NewEvent(order, large, Current), Current))
	var counted brokerSays
	eventually(b, "counted by the broker", func() bool {
		counted = askBroker(b, broker)
		return counted.published >= n && counted.octetRate < 1000 // heartbeats only
	})
	// A gigabyte in the queue's log would hold up the removal of the vhost.
	stopConsumer()
	if _, err := admin(b, s).QueueDelete(Queue, false, false, false); err != nil {
		b.Error(err)
	}

	b.ReportMetric(n/took, "published/s")
	b.ReportMetric(n/tookAll, "consumed/s")
	b.ReportMetric(seen.publish, "broker-in/s")
	b.ReportMetric(seen.deliver, "broker-out/s")
	b.ReportMetric(float64(body), "body-bytes/order")
	b.ReportMetric(counted.octets/n, "wire-bytes/order")
	b.ReportMetric(0, "ns/op")
}

func codecOf(b *testing.B, name string) Codec {
	b.Helper()
	c, err := FindCodec(name)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// brokerSays is rates per second, and totals.
type brokerSays struct{ publish, deliver, published, octets, octetRate float64 }

// askBroker reads what the management page shows: the queue's rates, and the
// bytes that the broker received on the producer's connection.
func askBroker(b *testing.B, broker servicestest.Broker) brokerSays {
	b.Helper()
	u, err := url.Parse(broker.URL)
	if err != nil {
		b.Fatal(err)
	}
	vhost := url.PathEscape(u.Path[1:])
	var queue struct {
		Stats struct {
			Publish        float64                `json:"publish"`
			PublishDetails struct{ Rate float64 } `json:"publish_details"`
			DeliverDetails struct{ Rate float64 } `json:"deliver_get_details"`
		} `json:"message_stats"`
	}
	get(b, broker, u.User, "/api/queues/"+vhost+"/"+Queue, &queue)
	var connections []struct {
		Name   string                 `json:"user_provided_name"`
		Octets float64                `json:"recv_oct"`
		Rate   struct{ Rate float64 } `json:"recv_oct_details"`
	}
	get(b, broker, u.User, "/api/vhosts/"+vhost+"/connections", &connections)
	says := brokerSays{
		publish: queue.Stats.PublishDetails.Rate, deliver: queue.Stats.DeliverDetails.Rate,
		published: queue.Stats.Publish}
	for _, c := range connections {
		if c.Name == "producer" {
			says.octets, says.octetRate = c.Octets, c.Rate.Rate
		}
	}
	return says
}

func get(b *testing.B, broker servicestest.Broker, user *url.Userinfo, path string, into any) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, broker.Management+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	password, _ := user.Password()
	req.SetBasicAuth(user.Username(), password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b.Fatalf("%s: %s", path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		b.Fatal(err)
	}
}
