package order

// Payments is a way to the payment service that must be closed.
type Payments interface {
	Charger
	Close() error
}

// Dial returns the way to the payment service that the settings name. Nothing is
// connected yet: neither service needs the other in order to start.
func Dial(s Settings) (Payments, error) {
	if s.Transport == "grpc" {
		return OverGRPC(s.PaymentURL)
	}
	return OverHTTP(s.PaymentURL), nil
}
