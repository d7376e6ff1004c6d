// Command consumer is the slide's: it works orders off, and publishes that it did.
package main

import (
	"context"
	"net/http"
	"os"

	observability "course.example/09-observability"
	"course.example/shop"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func main() { shop.Main(run) }

func run(ctx context.Context) error {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return err
	}
	who := resource.NewSchemaless(attribute.String("service.name", "consumer"))
	traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(who))
	defer traces.Shutdown(ctx)

	config := amqp.NewDurableQueueConfig(os.Getenv("AMQP_URL"))
	config.Queue.Arguments = observability.WorkQueue
	publisher, err := amqp.NewPublisher(config, watermill.NopLogger{})
	if err != nil {
		return err
	}
	subscriber, err := amqp.NewSubscriber(config, watermill.NopLogger{})
	if err != nil {
		return err
	}
	router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	orders := orderConsumer{traces.Tracer("slide")}
	router.AddHandler("e-mails", observability.OrdersTopic, subscriber,
		observability.EmailedTopic, publisher, orders.Consume)

	http.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	go http.ListenAndServe(os.Getenv("ADDR"), nil)
	return router.Run(ctx)
}
