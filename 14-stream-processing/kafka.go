package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// kafkaLog is the log over Kafka's protocol, which Kafka, Redpanda and others speak: a topic with
// partitions. Kafka counts offsets from 0; here 0 is before all, so each is one more. Its methods are
// safe for concurrent use.
//
// What differs from JetStream: the client numbers what it produces, so that its own retries are one record
// (the idempotent producer), but not what a program appends twice with the same id. And one answer is for
// a batch of all that one program sends to a partition.
type kafkaLog struct {
	client   *kgo.Client
	admin    *kadm.Client
	settings Settings

	mu   sync.Mutex
	made bool // the topic is there
}

func openKafka(settings Settings) (*kafkaLog, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(settings.KafkaBrokers, ",")...),
		kgo.ClientID(settings.Name),
		kgo.RequiredAcks(kgo.AllISRAcks()), // of the replicas that are in step; min.insync.replicas says how many
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RecordDeliveryTimeout(answerTime),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka (KAFKA_BROKERS): %w", err)
	}
	return &kafkaLog{client: client, admin: kadm.NewClient(client), settings: settings}, nil
}

func (l *kafkaLog) topic() string { return l.settings.prefix() + "orders" }

// ensure makes the topic where it is missing.
func (l *kafkaLog) ensure(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made {
		return nil
	}
	text := func(s string) *string { return &s }
	_, err := l.admin.CreateTopic(ctx, int32(l.settings.Partitions), int16(l.settings.Replicas),
		map[string]*string{
			"retention.ms":           text(fmt.Sprint(l.settings.MaxAge.Milliseconds())),
			"retention.bytes":        text(fmt.Sprint(l.settings.MaxBytes)),
			"message.timestamp.type": text("LogAppendTime"),
			"min.insync.replicas":    text(fmt.Sprint(l.settings.Replicas/2 + 1)),
		}, l.topic())
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("make the topic %s (KAFKA_BROKERS): %w", l.topic(), err)
	}
	l.made = true
	return nil
}

func (l *kafkaLog) Append(ctx context.Context, partition int, id string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if err := l.ensure(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrNotAppended, err)
	}
	err := l.client.ProduceSync(ctx, &kgo.Record{
		Topic: l.topic(), Partition: int32(partition), Value: body,
		Headers: []kgo.RecordHeader{{Key: "id", Value: []byte(id)}},
	}).FirstErr()
	switch refused := new(kerr.Error); {
	case err == nil:
		return nil
	case errors.As(err, &refused) && !refused.Retriable:
		return fmt.Errorf("%w: %w: %w", ErrNotAppended, errRefused, err)
	default:
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
}

func (l *kafkaLog) Ends(ctx context.Context) ([]uint64, error) {
	return l.ends(ctx, l.admin.ListEndOffsets)
}

func (l *kafkaLog) Before(ctx context.Context, partition int, at time.Time) (uint64, error) {
	// Of a partition without a later record it is the end.
	offsets, err := l.ends(ctx, func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
		return l.admin.ListOffsetsAfterMilli(ctx, at.UnixMilli(), topics...)
	})
	if err != nil {
		return 0, err
	}
	return offsets[partition], nil
}

func (l *kafkaLog) ends(
	ctx context.Context, list func(context.Context, ...string) (kadm.ListedOffsets, error),
) ([]uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if err := l.ensure(ctx); err != nil {
		return nil, err
	}
	listed, err := list(ctx, l.topic())
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("the ends of %s: %w", l.topic(), err)
	}
	ends := make([]uint64, l.settings.Partitions)
	listed.Each(func(o kadm.ListedOffset) {
		if int(o.Partition) < len(ends) {
			ends[o.Partition] = uint64(o.Offset)
		}
	})
	return ends, nil
}

func (l *kafkaLog) Read(ctx context.Context, partition int, after uint64) (Reader, error) {
	ends, err := l.Ends(ctx)
	if err != nil {
		return nil, err
	}
	starts, err := l.ends(ctx, l.admin.ListStartOffsets)
	if err != nil {
		return nil, err
	}
	if ends[partition] < after {
		return nil, fmt.Errorf("%w: partition %d ends at %d, and %d was read already",
			ErrShorter, partition, ends[partition], after)
	}
	if first := starts[partition]; first > after {
		slog.Error("records are gone before they were read: the log keeps them too short",
			"partition", partition, "from", after+1, "to", first)
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(l.settings.KafkaBrokers, ",")...),
		kgo.ClientID(l.settings.Name),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
			l.topic(): {int32(partition): kgo.NewOffset().At(int64(after))},
		}),
		kgo.FetchMaxWait(500*time.Millisecond),
	)
	if err != nil {
		return nil, fmt.Errorf("read partition %d: %w", partition, err)
	}
	return &kafkaReader{partition: partition, client: client}, nil
}

func (l *kafkaLog) Close() error {
	l.client.Close()
	return nil
}

type kafkaReader struct {
	partition int
	client    *kgo.Client
}

func (r *kafkaReader) Batch(ctx context.Context, most int) ([]Record, error) {
	fetches := r.client.PollRecords(ctx, most)
	if err := fetches.Err(); err != nil {
		return nil, fmt.Errorf("read partition %d: %w", r.partition, err)
	}
	var batch []Record
	fetches.EachRecord(func(k *kgo.Record) {
		batch = append(batch, Record{
			Partition: r.partition, Offset: uint64(k.Offset) + 1, Appended: k.Timestamp, Body: k.Value,
		})
	})
	return batch, nil
}

func (r *kafkaReader) Close() { r.client.Close() }
