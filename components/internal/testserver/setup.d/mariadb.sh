install mariadbd mariadb-server mariadb
