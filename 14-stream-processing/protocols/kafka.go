package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Kafka is its protocol: a place is a topic with two partitions, a customer's orders are in one of them,
// and a group remembers how far it has read.
func Kafka(brokers string) Protocol {
	client := func(w *Wire, more ...kgo.Opt) (*kgo.Client, error) {
		client, err := kgo.NewClient(append([]kgo.Opt{
			kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.Dialer(w.Dial),
			kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
			kgo.MetadataMinAge(50 * time.Millisecond), // it asks anew before it sends again
			kgo.DisableClientMetrics(),                // they would be counted, too
		}, more...)...)
		if err != nil {
			return nil, fmt.Errorf("connect to Kafka (KAFKA_BROKERS): %w", err)
		}
		return client, nil
	}
	sender := func(options ...kgo.Opt) func(context.Context, *Wire, string) (Sender, error) {
		options = append(options, kgo.ProducerBatchCompression(kgo.NoCompression()))
		return func(_ context.Context, w *Wire, place string) (Sender, error) {
			c, err := client(w, append(options, kgo.DefaultProduceTopic(place))...)
			return &kafkaSender{c}, err
		}
	}
	reader := func(first bool) func(context.Context, *Wire, string, string) (Reader, error) {
		return func(ctx context.Context, w *Wire, place, group string) (Reader, error) {
			assigned := make(chan struct{}, 1)
			c, err := client(w, kgo.ConsumeTopics(place), kgo.ConsumerGroup(group+"-"+place),
				kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
				kgo.HeartbeatInterval(100*time.Millisecond), kgo.FetchMaxWait(100*time.Millisecond),
				kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, got map[string][]int32) {
					if len(got[place]) == 0 {
						return // its share comes when others have given theirs back
					}
					select {
					case assigned <- struct{}{}:
					default:
					}
				}))
			if err != nil {
				return nil, err
			}
			r := &kafkaReader{client: c, first: first}
			return r, r.join(ctx, place, assigned)
		}
	}
	plain := kgo.DisableIdempotentWrite()
	return Protocol{
		Name: "Kafka", Delivery: "pull", Groups: true,
		Senders: []SenderMode{
			{"acks=0", sender(kgo.RequiredAcks(kgo.NoAck()), plain)},
			{"acks=1", sender(kgo.RequiredAcks(kgo.LeaderAck()), plain)},
			{"acks=all", sender(kgo.RequiredAcks(kgo.AllISRAcks()), plain)},
			{"acks=all, idempotent", sender(kgo.RequiredAcks(kgo.AllISRAcks()))},
		},
		Readers: []ReaderMode{{"commit before the work", reader(true)}, {"commit after the work", reader(false)}},
	}
}

type kafkaSender struct{ client *kgo.Client }

func (s *kafkaSender) Send(ctx context.Context, orders ...Order) error {
	records := make([]*kgo.Record, len(orders))
	for i, order := range orders {
		records[i] = &kgo.Record{Key: []byte(order.Customer), Value: order.Body}
	}
	if err := s.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("send to Kafka: %w", err)
	}
	return nil
}

func (s *kafkaSender) Close() { s.client.Close() }

type kafkaReader struct {
	client *kgo.Client
	first  bool // the position is committed before the work
	ahead  []*kgo.Record
}

// join makes the topic where it is missing, and waits until the group gives this reader its share.
func (r *kafkaReader) join(ctx context.Context, topic string, assigned <-chan struct{}) error {
	_, err := kadm.NewClient(r.client).CreateTopic(ctx, 2, 1, nil, topic)
	if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
		r.client.ForceMetadataRefresh()
		select {
		case <-assigned:
			return nil
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	r.client.Close()
	return fmt.Errorf("join a group of %s: %w", topic, err)
}

func (r *kafkaReader) Next(ctx context.Context) (Delivery, error) {
	for len(r.ahead) == 0 {
		fetches := r.client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return Delivery{}, fmt.Errorf("read from Kafka: %w", err)
		}
		r.ahead = fetches.Records()
		if r.first && len(r.ahead) > 0 {
			if err := r.client.CommitRecords(ctx, r.ahead...); err != nil {
				return Delivery{}, fmt.Errorf("commit: %w", err)
			}
		}
	}
	record := r.ahead[0]
	r.ahead = r.ahead[1:]
	return delivered(record.Value, record)
}

func (r *kafkaReader) Done(ctx context.Context, all ...Delivery) error {
	if r.first {
		return nil
	}
	records := make([]*kgo.Record, len(all))
	for i, d := range all {
		records[i] = d.raw.(*kgo.Record)
	}
	if err := r.client.CommitRecords(ctx, records...); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (r *kafkaReader) Close() { r.client.Close() }
