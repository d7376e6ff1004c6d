module course.example/07-rabbitmq

go 1.26.0

require (
	course.example/shop v0.0.0
	github.com/cenkalti/backoff/v5 v5.0.3
	github.com/rabbitmq/amqp091-go v1.16.0
	golang.org/x/sync v0.24.0
)

require github.com/google/uuid v1.6.0 // indirect

replace (
	course.example/lab => ../lab
	course.example/shop => ../shop
)
