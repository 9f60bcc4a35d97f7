SERVER = 'b-1.events.a1b2c3.c2.kafka.eu-west-1.amazonaws.com:9092,' \
         'b-2.events.a1b2c3.c2.kafka.eu-west-1.amazonaws.com:9092,' \
         'b-3.events.a1b2c3.c2.kafka.eu-west-1.amazonaws.com:9092 '
TOPIC = 'shop-orders'
