// Command producer is the slide's: every order becomes a message, and each request is traced.
package main

import (
	"context"
	"encoding/json"
	"os"

	observability "course.example/09-observability"
	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	exporter, err := otlptracehttp.New(ctx) // to OTEL_EXPORTER_OTLP_ENDPOINT
	if err != nil {
		return err
	}
	who := resource.NewSchemaless(attribute.String("service.name", "producer"))
	traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(who))
	defer traces.Shutdown(ctx)

	config := amqp.NewDurableQueueConfig(os.Getenv("AMQP_URL"))
	publisher, err := amqp.NewPublisher(config, watermill.NopLogger{})
	if err != nil {
		return err
	}
	defer publisher.Close()

	publish := func(ctx context.Context, order shop.Order) error {
		_, span := traces.Tracer("slide").Start(ctx, "publish orders")
		defer span.End()
		span.SetAttributes(attribute.String("order", order.ID))
		body, err := json.Marshal(order)
		if err != nil {
			return err
		}
		m := message.NewMessage(watermill.NewUUID(), body)
		return publisher.Publish(observability.OrdersTopic, m)
	}
	counter := shop.Counter{Place: publish} // POST /orders
	return shop.Serve(ctx, os.Getenv("ADDR"), otelhttp.NewHandler(
		counter.Handler(), "POST /orders", otelhttp.WithTracerProvider(traces)))
}
