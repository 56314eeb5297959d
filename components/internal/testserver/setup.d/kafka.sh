# Kafka is in no package archive: its jars come from Maven's repository. A new version is a new name here, in kafka/pom.xml
# and in kafka.go.
install java default-jre-headless openjdk
if [ ! -d "$cache/kafka-4.3.1" ]; then
  install mvn maven maven
  echo "fetching Kafka 4.3.1, which the tests start, once"
  mvn -q -B -f kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$cache/kafka-4.3.1.new.$$"
  # It is moved when whole, so that no test meets half of it.
  mv "$cache/kafka-4.3.1.new.$$" "$cache/kafka-4.3.1"
fi
