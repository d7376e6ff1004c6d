// Command order takes orders over HTTP and has each of them charged.
package main

import (
	"context"
	"errors"
	"net/http"
	"os"

	"course.example/05-microservices/order"
	"course.example/shop"
)

func main() { shop.Main(run) }

func run(ctx context.Context) (err error) {
	settings, err := order.ParseSettings(os.Args[1:])
	if err != nil {
		return err
	}
	payment, err := order.Dial(settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, payment.Close()) }()
	orders := order.NewOrders(settings, payment)
	counter := shop.Counter{
		Place: orders.Until(ctx),
		// 200, not 202: when the customer hears of it, it has been done.
		Status: http.StatusOK,
		// A massive request must not take every slot from everybody else.
		AtOnce: max(1, settings.Bulkhead/2),
	}
	return shop.Serve(ctx, settings.Addr, order.Shed(settings.InFlight, counter.Handler()))
}
