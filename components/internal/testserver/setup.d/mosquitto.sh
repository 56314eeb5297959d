install mosquitto mosquitto mosquitto
