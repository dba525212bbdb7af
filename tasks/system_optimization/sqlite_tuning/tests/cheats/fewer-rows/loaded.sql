DELETE FROM line WHERE purchase < 100;
