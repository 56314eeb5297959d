install rabbitmq-server rabbitmq-server rabbitmq
