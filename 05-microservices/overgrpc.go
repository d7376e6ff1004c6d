package microservices

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"course.example/05-microservices/paymentpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// What go generate needs: Go. buf compiles payment.proto, the plugins are tools of
// this module, so that everybody's output is the same.
//
//go:generate go run github.com/bufbuild/buf/cmd/buf@v1.75.0 generate payment.proto

// overGRPC is the way to the payment service by gRPC: protobuf in HTTP/2.
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
	answer, err := o.client.Charge(ctx, &paymentpb.ChargeRequest{
		OrderId: c.OrderID, UserEmail: c.UserEmail, AmountCents: c.AmountCents,
		IdempotencyKey: key,
	})
	if err != nil {
		s := status.Convert(err)
		return Receipt{}, fromGRPC(s.Code(), s.Message())
	}
	return Receipt{
		ID: answer.GetReceiptId(), OrderID: answer.GetOrderId(),
		AmountCents: answer.GetAmountCents(),
		ChargedAt:   time.UnixMilli(answer.GetChargedAtUnixMs()).UTC(),
		Repeated:    answer.GetRepeated(),
	}, nil
}

// Close closes the connection.
func (o *overGRPC) Close() error { return o.conn.Close() }

// grpcServer serves charges by gRPC.
type grpcServer struct {
	paymentpb.UnimplementedPaymentServer
	payment Charger
}

// GRPCServer returns a gRPC server of a payment service.
func GRPCServer(payment Charger) *grpc.Server {
	server := grpc.NewServer()
	paymentpb.RegisterPaymentServer(server, &grpcServer{payment: payment})
	return server
}

// Charge implements the service of payment.proto.
func (g *grpcServer) Charge(
	ctx context.Context, r *paymentpb.ChargeRequest,
) (*paymentpb.ChargeResponse, error) {
	receipt, err := g.payment.Charge(ctx, r.GetIdempotencyKey(), Charge{
		OrderID: r.GetOrderId(), UserEmail: r.GetUserEmail(), AmountCents: r.GetAmountCents(),
	})
	if err != nil {
		return nil, status.Error(outcomeOf(err).grpc, err.Error())
	}
	return &paymentpb.ChargeResponse{
		ReceiptId: receipt.ID, OrderId: receipt.OrderID, AmountCents: receipt.AmountCents,
		ChargedAtUnixMs: receipt.ChargedAt.UnixMilli(), Repeated: receipt.Repeated,
	}, nil
}

// Both serves gRPC and everything else on one port. gRPC is HTTP/2 with a content
// type of its own, and what can be told apart needs no second port.
func Both(rpc, other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isGRPC(r) {
			rpc.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
}

func isGRPC(r *http.Request) bool {
	return r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
}
