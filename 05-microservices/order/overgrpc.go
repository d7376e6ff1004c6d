package order

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"course.example/05-microservices/paymentpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// overGRPC is the way to payment by gRPC: protobuf in HTTP/2.
type overGRPC struct {
	conn   *grpc.ClientConn
	client paymentpb.PaymentClient
}

// OverGRPC returns the way to a payment service by gRPC. It connects with the first
// call.
func OverGRPC(address string) (Payments, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, usagef("payment-url %q is no address: want http://host:port", address)
	}
	conn, err := grpc.NewClient("passthrough:///"+u.Host,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		// Retries are policies.go's: two layers that retry multiply.
		grpc.WithDisableRetry(),
		// By default the pauses between attempts to connect grow to two minutes: a
		// payment service that is back would not be found for as long.
		grpc.WithConnectParams(grpc.ConnectParams{
			MinConnectTimeout: time.Second,
			Backoff: backoff.Config{
				BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2,
				MaxDelay: time.Second,
			},
		}))
	if err != nil {
		return nil, fmt.Errorf("open the way to payment by gRPC: %w", err)
	}
	return &overGRPC{conn: conn, client: paymentpb.NewPaymentClient(conn)}, nil
}

// Charge implements [Charger]. The deadline of ctx goes along as grpc-timeout: the
// other side's context ends when ours does.
func (o *overGRPC) Charge(ctx context.Context, key string, c Charge) (Receipt, error) {
	var to peer.Peer
	var trailer metadata.MD
	answer, err := o.client.Charge(ctx, &paymentpb.ChargeRequest{
		OrderId: c.OrderID, UserEmail: c.UserEmail, AmountCents: proto.Int64(c.AmountCents),
		IdempotencyKey: key,
	}, grpc.Peer(&to), grpc.Trailer(&trailer))
	if err == nil && answer.GetReceiptId() == "" {
		return Receipt{}, fmt.Errorf("%w: its answer is no receipt", ErrUnknown)
	}
	if err == nil {
		return Receipt{
			ID: answer.GetReceiptId(), OrderID: answer.GetOrderId(),
			AmountCents: answer.GetAmountCents(), Repeated: answer.GetRepeated(),
		}, nil
	}
	// A call that was never given a connection has nobody at the other end.
	sent := to.Addr != nil
	kind := ErrUnknown
	switch status.Code(err) {
	case codes.FailedPrecondition:
		kind = ErrDeclined
	case codes.InvalidArgument, codes.AlreadyExists:
		// Not ResourceExhausted: so the library calls an answer that is too large, too.
		kind = ErrInvalid
	case codes.Unavailable:
		// The library says so, too, of a connection that broke after the request was
		// sent. Only payment and its gateway say when to come back.
		if len(trailer.Get("retry-after")) > 0 {
			kind = ErrUnavailable
		}
	}
	if kind == ErrUnknown || !sent {
		return Receipt{}, unanswered(ctx, sent, err)
	}
	return Receipt{}, fmt.Errorf("%w: %.*s", kind, maxReason, status.Convert(err).Message())
}

// Close closes the connection.
func (o *overGRPC) Close() error { return o.conn.Close() }
