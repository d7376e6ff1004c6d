module course.example/07-rabbitmq

go 1.26

require course.example/shop v0.0.0

replace (
	course.example/lab => ../lab
	course.example/shop => ../shop
)
